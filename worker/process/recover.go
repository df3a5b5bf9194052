package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"cube/worker"
)

// findRuns finds the runs of an earlier worker. It is called before anything
// else has the runtime.
func (rt *Runtime) findRuns() error {
	entries, err := os.ReadDir(rt.runs)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		key, err := parseKey(entry.Name())
		if err != nil {
			rt.config.Log.Warn("Something that is no run lies among the runs", "dir", rt.runs, "err", err)
			continue
		}
		r, err := rt.recoverRun(key)
		if err != nil {
			return fmt.Errorf("run %s: %w", key, err)
		}
		if r == nil {
			continue
		}
		if err := rt.adopt(r); err != nil {
			return err
		}
	}
	return nil
}

// recoverRun reads one run. It is nil where nothing was started.
func (rt *Runtime) recoverRun(key worker.Key) (*run, error) {
	r := &run{dir: filepath.Join(rt.runs, key.String()), done: make(chan struct{})}
	if err := settled(r.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	record, err := readRecord[runRecord](r.dir, runFile)
	if errors.Is(err, fs.ErrNotExist) {
		// The worker died before the supervisor was told anything.
		return nil, discard(r.dir)
	}
	if err == nil && record.Key != key {
		err = fmt.Errorf("its record is that of run %s", record.Key)
	}
	var started startedRecord
	if err == nil {
		started, err = readRecord[startedRecord](r.dir, startedFile)
		err = ignore(err, fs.ErrNotExist)
	}
	if errors.Is(err, errVersion) {
		return nil, err
	}
	r.record = record
	if err != nil {
		return rt.abandon(r, key, err)
	}
	if started.Task.PID != 0 {
		r.started = &started
	}
	r.supervisor, err = record.Supervisor.open(rt.bootID)
	if errors.Is(err, errGone) {
		exit, err := rt.conclude(r)
		if err != nil {
			rt.config.Log.Error("A run has ended and left something behind", "run", key, "err", err)
		}
		r.end(exit)
		return r, nil
	}
	return r, err
}

// abandon kills a run whose record cannot be read, and so cannot be watched.
// The files are left as they are until it is removed.
func (rt *Runtime) abandon(r *run, key worker.Key, why error) (*run, error) {
	r.record = runRecord{Key: key}
	if rt.cgroups != nil {
		r.record.Cgroup = rt.cgroups.group(key.String())
	}
	err := errors.Join(r.record.Cgroup.kill(), killStrays(rt.ctx, key.String(), nil), r.record.Cgroup.remove())
	if err != nil {
		rt.config.Log.Error("A run has ended and left something behind", "run", key, "err", err)
	}
	r.end(worker.Exit{Time: time.Now(), Error: "it was killed, its exit code is not known: " + why.Error()})
	return r, nil
}

// settled waits until no start is under way in the run's directory: until the
// supervisor has put on record that the task runs, has removed the run because
// the worker died before it had given its order, or is gone.
func settled(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Flock(int(file.Fd()), unix.LOCK_SH), file.Close())
}
