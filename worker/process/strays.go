package process

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"cube/worker/process/supervise"
)

// runVariable is set in the environment of every task, to the key of its run. What has lost its supervisor, or its record, and is in no
// cgroup is found by it.
const runVariable = "CUBE_RUN"

// killStrays kills what a run without supervisor has left: the processes of
// its session, and those that carry its key in their environment. It returns
// once there is none.
func killStrays(ctx context.Context, key string, started *supervise.Started) error {
	for {
		all, err := supervise.Processes()
		if err != nil {
			return err
		}
		var strays []*supervise.Process
		for _, stat := range all {
			if stat.Zombie || stat.PID == os.Getpid() || !isStray(stat, key, started) {
				continue
			}
			if p, err := stat.Open(); err == nil {
				strays = append(strays, p)
			}
		}
		if len(strays) == 0 {
			return nil
		}
		for _, p := range strays {
			err = errors.Join(err, p.Signal(unix.SIGKILL))
		}
		for _, p := range strays {
			err = errors.Join(err, p.WaitContext(ctx))
		}
		if err != nil {
			return err
		}
	}
}

// isStray reports whether the process belongs to the run. A session counts
// only if it began with the task: its number may be another's by now.
func isStray(stat supervise.Stat, key string, started *supervise.Started) bool {
	if started != nil && stat.Session == started.Task.PID && stat.Start >= started.Task.Start {
		if leader, err := supervise.StartTime(stat.Session); err != nil || leader == started.Task.Start {
			return true
		}
	}
	environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(stat.PID), "environ"))
	if err != nil {
		return false
	}
	return bytes.Contains(append([]byte{0}, append(environ, 0)...), []byte("\x00"+runVariable+"="+key+"\x00"))
}
