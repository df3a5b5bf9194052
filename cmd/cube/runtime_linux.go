package main

import (
	"context"
	"log/slog"

	"cube/worker"
	"cube/worker/docker"
	"cube/worker/process"
)

// The words of --runtime.
const (
	runtimeDocker  = "docker"
	runtimeProcess = "process"
)

// openRuntime opens the runtime that the flags name.
func openRuntime(ctx context.Context, f *workerFlags, log *slog.Logger) (worker.Runtime, error) {
	if f.runtime == runtimeProcess {
		return process.New(process.Config{Dir: f.dataDir, CgroupParent: f.cgroupParent, Log: log})
	}
	owner, err := identity(f.dataDir)
	if err != nil {
		return nil, err
	}
	return openDocker(ctx, docker.Config{
		Host: f.dockerHost, Owner: owner, CgroupParent: f.cgroupParent, PublishAddress: f.publish, ReadOnlyRoot: f.readOnlyRoot, Log: log,
		ProcPath: f.collector.procPath, SysPath: f.collector.sysPath,
	})
}
