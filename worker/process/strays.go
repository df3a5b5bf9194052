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

// runVariable is set in the environment of every task, to the key of its run. What
// has lost its supervisor, or its record, and is in no cgroup is found by it.
const runVariable = "CUBE_RUN"

// killStrays kills what a run without supervisor has left: the processes of
// its session, those that carry its key in their environment, and all that is
// below them. It returns once there is none.
func killStrays(ctx context.Context, key string, started *supervise.Started) error {
	for {
		strays, err := openStrays(key, started)
		if err != nil || len(strays) == 0 {
			return err
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

// openStrays finds them. The descendants of a stray are taken from the same look at
// the machine: once it has ended, nothing says whose they were.
func openStrays(key string, started *supervise.Started) ([]*supervise.Process, error) {
	all, err := supervise.Processes()
	if err != nil {
		return nil, err
	}
	found := map[int]supervise.Stat{}
	for _, stat := range all {
		if stat.PID != os.Getpid() && isStray(stat, key, started) {
			found[stat.PID] = stat
			for _, below := range supervise.Descendants(stat.PID, all) {
				found[below.PID] = below
			}
		}
	}
	var strays []*supervise.Process
	for _, stat := range found {
		if stat.Zombie {
			continue
		}
		if p, err := stat.Open(); err == nil {
			strays = append(strays, p)
		}
	}
	return strays, nil
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
