package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cube/worker"
	"cube/worker/process/supervise"
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
		if r != nil {
			rt.adopt(r)
		}
	}
	return nil
}

// recoverRun reads one run. It is nil where nothing was started.
func (rt *Runtime) recoverRun(key worker.Key) (*run, error) {
	r := &run{dir: filepath.Join(rt.runs, key.String()), done: make(chan struct{})}
	var err error
	r.record, err = readRecord[runRecord](r.dir, supervise.RunFile)
	if errors.Is(err, fs.ErrNotExist) {
		// The worker died before the supervisor was told anything.
		return nil, errors.Join(settled(r.dir), discard(r.dir))
	}
	if err == nil && r.record.Key != key {
		err = fmt.Errorf("its record is that of run %s", r.record.Key)
	}
	if err == nil {
		r.supervisor, err = r.record.Supervisor.Open(rt.bootID)
		err = ignore(err, supervise.ErrGone)
	}
	if err == nil {
		err = rt.readStarted(r)
	}
	switch {
	case errors.Is(err, supervise.ErrVersion):
		return nil, err
	case err != nil:
		return rt.abandon(r, key, err)
	case r.started == nil && vanished(r.dir):
		// The worker died before it had given the whole order.
		if r.supervisor != nil {
			err = r.supervisor.Close()
		}
		return nil, errors.Join(err, discard(r.dir))
	}
	if r.supervisor == nil {
		exit, err := rt.conclude(r)
		if err != nil {
			rt.config.Log.Error("A run has ended and left something behind", "run", key, "err", err)
		}
		r.end(exit)
	}
	return r, nil
}

// startTimeout bounds the wait for a start that the dead worker had begun. A
// supervisor is held up only where what it was told to enter or to execute is
// on a disk that does not answer.
const startTimeout = 5 * time.Second

// readStarted reads that the task runs. Where the supervisor has not written
// it yet, readStarted waits until it has or ends, or startTimeout is over; then
// the run is taken without.
func (rt *Runtime) readStarted(r *run) error {
	read := func() error {
		started, err := readRecord[supervise.Started](r.dir, supervise.StartedFile)
		if err == nil {
			r.started = &started
		}
		return ignore(err, fs.ErrNotExist)
	}
	if err := read(); err != nil || r.started != nil || r.supervisor == nil {
		return err
	}
	changed, end, err := rt.changes.follow(r.dir)
	if err != nil {
		// The directory is going, or there are no more inotify instances: the
		// supervisor's end or the timeout will have to do.
		changed, end = nil, func() {}
	}
	defer end()
	ctx, cancel := context.WithTimeout(rt.ctx, startTimeout)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	if supervisor, err := r.record.Supervisor.Open(rt.bootID); err == nil {
		watching.Go(func() { defer cancel(); _ = supervisor.WaitContext(ctx) })
	} else {
		cancel()
	}
	for {
		over := ctx.Err() != nil
		if err := read(); err != nil || r.started != nil || over {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// vanished reports whether a run is on record no more.
func vanished(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, supervise.RunFile))
	return errors.Is(err, fs.ErrNotExist)
}

// abandon kills a run whose record cannot be read, and so cannot be watched.
// The files are left as they are until it is removed.
func (rt *Runtime) abandon(r *run, key worker.Key, why error) (*run, error) {
	if r.supervisor != nil {
		if err := errors.Join(r.supervisor.Signal(unix.SIGKILL), r.supervisor.Close()); err != nil {
			return nil, err
		}
	}
	r.record = runRecord{Key: key}
	if rt.cgroups != nil {
		r.record.Cgroup = rt.cgroups.group(key.String())
	}
	err := errors.Join(r.record.Cgroup.Kill(), killStrays(rt.ctx, key.String(), nil), r.record.Cgroup.Remove())
	if err != nil {
		rt.config.Log.Error("A run has ended and left something behind", "run", key, "err", err)
	}
	r.end(worker.Exit{Time: time.Now(), Error: "it was killed, its exit code is not known: " + why.Error()})
	return r, nil
}

// settled waits until no supervisor has the run's directory locked: one that
// gets no order removes it, and must not remove that of a later run.
func settled(dir string) error {
	file, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(unix.Flock(int(file.Fd()), unix.LOCK_SH), file.Close())
}
