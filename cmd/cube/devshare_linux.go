package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"cube/collector"
	"cube/worker/docker"
	"cube/worker/process"
	"cube/worker/task"
)

// shareOut gives each of several workers an equal part of the machine, and a
// cgroup of its own, so that what it measures is what its own tasks use. It
// returns, as a sentence, what the workers' figures are.
//
// Where no cgroups can be made, a worker measures the sum of what its tasks use,
// which is said.
func (d *dev) shareOut(ctx context.Context, flags []*workerFlags) (string, error) {
	if len(flags) == 1 {
		return "", nil
	}
	part, err := equalPart(flags, d.log)
	if err != nil {
		return "", err
	}
	for _, f := range flags {
		f.capacity = part
	}
	if err := d.makeSlices(ctx, flags, part); err != nil {
		for _, f := range flags {
			f.share = true
		}
		return fmt.Sprintf("The workers share this machine's capacity, and each measures the sum of what its tasks use: %v.", err), nil
	}
	return "Each worker has a cgroup of its own, and measures what its own tasks use.", nil
}

// equalPart is the machine's capacity divided among the workers.
func equalPart(flags []*workerFlags, log *slog.Logger) (task.Resources, error) {
	if err := makeDataDir(flags[0].dataDir); err != nil {
		return task.Resources{}, err
	}
	machine, err := flags[0].collector.open(flags[0], nil, log)
	if err != nil {
		return task.Resources{}, err
	}
	whole, err := machine.Capacity()
	if err = errors.Join(err, machine.Close()); err != nil {
		return task.Resources{}, err
	}
	n := float64(len(flags))
	return task.Resources{Cpu: whole.Cores / n, Memory: task.Bytes(whole.Memory / n), Disk: task.Bytes(whole.Disk / n)}, nil
}

// makeSlices makes a cgroup for each worker, or none.
func (d *dev) makeSlices(ctx context.Context, flags []*workerFlags, part task.Resources) error {
	if d.runtime == runtimeDocker {
		if err := takesPaths(ctx); err != nil {
			return err
		}
	}
	var made []*process.Slice
	for i := range flags {
		slice, err := process.NewSlice(fmt.Sprintf("cube-dev-%d/worker-%d", os.Getpid(), i+1), part)
		if err != nil {
			return errors.Join(err, removeSlices(made))
		}
		made = append(made, slice)
	}
	for i, f := range flags {
		f.cgroupParent, f.collector.scope = made[i].Path(), collector.ScopeCgroup.String()
	}
	d.slices = made
	return nil
}

// takesPaths returns nil where the engine makes cgroups below any path.
func takesPaths(ctx context.Context) error {
	engine, err := docker.New(ctx, docker.Config{Owner: "cube-dev-probe"})
	if err != nil {
		return err
	}
	if driver := engine.CgroupDriver(); driver != "cgroupfs" {
		err = fmt.Errorf("the Docker engine's %s cgroup driver takes no paths", driver)
	}
	return errors.Join(err, engine.Close())
}

// removeSlices removes the cgroups, the first last: it may have made what the
// others are below.
func removeSlices(made []*process.Slice) error {
	var errs []error
	for i := range made {
		errs = append(errs, made[len(made)-1-i].Remove())
	}
	return errors.Join(errs...)
}
