package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cube/worker"
	"cube/worker/process/supervise"
	"cube/worker/task"
)

// Start starts the task's command under a supervisor of its own and returns
// once it runs, or with an error that names the command. A key that is known
// already returns the run it has.
//
// The environment is the task's own, not the worker's: PATH, HOME and USER are
// given where the task does not set them. The working directory is "/" unless
// the task names one. A process listens on the machine's own ports: HostPorts
// are the ports it exposes, and a binding to another host port is refused.
func (rt *Runtime) Start(ctx context.Context, key worker.Key, t *task.Task) (worker.Run, error) {
	if r := rt.find(key); r != nil {
		return r.snapshot(), nil
	}
	select {
	case rt.starts <- struct{}{}:
		defer func() { <-rt.starts }()
	case <-ctx.Done():
		return worker.Run{}, ctx.Err()
	case <-rt.ctx.Done():
	}
	if rt.ctx.Err() != nil {
		return worker.Run{}, errClosed
	}
	o, ports, err := rt.order(key, t)
	if err != nil {
		return worker.Run{}, err
	}
	r, err := rt.start(ctx, key, t, o, ports)
	for tries := 1; errors.Is(err, errUnheard) && tries < supervisorTries; tries++ {
		rt.config.Log.Warn("A supervisor was lost before it started its task; another one is taken", "run", key, "err", err)
		r, err = rt.start(ctx, key, t, o, ports)
	}
	if err != nil {
		return worker.Run{}, err
	}
	snapshot := r.snapshot()
	rt.adopt(r)
	return snapshot, nil
}

// errUnheard says that a supervisor ended before it had been told to go, so that
// nothing was started.
var errUnheard = errors.New("the supervisor ended before it was told to start the task")

// supervisorTries is how many supervisors a start takes, where somebody kills them
// before they have started anything.
const supervisorTries = 3

// order is what the supervisor of the task is told.
func (rt *Runtime) order(key worker.Key, t *task.Task) (*supervise.Order, map[string][]task.PortBinding, error) {
	if err := rt.Check(t); err != nil {
		return nil, nil, err
	}
	ports, err := hostPorts(t)
	if err != nil {
		return nil, nil, err
	}
	user, err := lookupUser(t.User)
	if err != nil {
		return nil, nil, err
	}
	o := &supervise.Order{
		Key: key.String(), Command: t.Command, Env: environment(t, user, key.String()), WorkingDir: t.WorkingDir,
		Credential: user.credential, Limits: rt.config.Limits,
		LogSize: rt.config.LogSize, LogFiles: rt.config.LogFiles,
	}
	if o.WorkingDir == "" {
		o.WorkingDir = "/"
	}
	if rt.cgroups != nil {
		o.Cgroup = rt.cgroups.group(o.Key)
	}
	return o, ports, nil
}

// start makes the run's directory and takes a supervisor, which prepares itself
// while both are put on record; only then is it told to go. On an error nothing
// is left behind, and where that is errUnheard nothing was ever started.
func (rt *Runtime) start(ctx context.Context, key worker.Key, t *task.Task, o *supervise.Order, ports map[string][]task.PortBinding) (r *run, err error) {
	r = &run{dir: filepath.Join(rt.runs, o.Key), done: make(chan struct{})}
	r.record = runRecord{
		Version: supervise.RecordVersion, Key: key, Cgroup: o.Cgroup, HostPorts: ports, Created: time.Now(),
		WorkingDir: o.WorkingDir, Credential: o.Credential,
	}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("the directory of run %s cannot be made: %w", key, err)
	}
	s, err := rt.takeSupervisor(r.dir)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", key, errors.Join(err, os.RemoveAll(r.dir)))
	}
	defer rt.wakeSpares() // once this start no longer needs the CPU
	defer s.closePipes()
	r.child, r.supervisor = s.cmd, s.process
	// A supervisor that is killed ends whatever waits for it below.
	stop := context.AfterFunc(ctx, func() { _ = s.process.Signal(unix.SIGKILL) })
	defer func() {
		if !stop() {
			err = ctx.Err()
		}
		if err != nil {
			r, err = nil, rt.undo(r, err)
		}
	}()
	start, err := supervise.StartTime(s.process.PID)
	if err != nil {
		return r, fmt.Errorf("the supervisor of run %s: %w", key, err)
	}
	r.record.Supervisor = supervise.Identity{BootID: rt.bootID, PID: s.process.PID, Start: start}
	if err := s.give(o); err != nil {
		return r, err
	}
	if err := rt.putOnRecord(r, limitsOf(t)); err != nil {
		return r, err
	}
	started, err := s.begin()
	if err != nil {
		return r, err
	}
	r.started = &started
	return r, nil
}

// undo takes back a start that failed. It returns why, and what it could not
// take back.
func (rt *Runtime) undo(r *run, why error) error {
	err := r.supervisor.Signal(unix.SIGKILL)
	_ = r.child.Wait() // an exit code says nothing here
	err = errors.Join(err, r.supervisor.Close(), r.record.Cgroup.Kill())
	if r.record.Supervisor.PID != 0 {
		err = errors.Join(err, killStrays(rt.ctx, r.record.Key.String(), r.started))
	}
	err = errors.Join(err, r.record.Cgroup.Remove(), discard(r.dir))
	if err != nil {
		return errors.Join(why, fmt.Errorf("run %s left something behind: %w", r.record.Key, err))
	}
	return why
}

// putOnRecord makes the run's cgroup and its record, which is on disk when
// putOnRecord returns.
func (rt *Runtime) putOnRecord(r *run, limits *specs.LinuxResources) error {
	// Both at once: a file system commits them together.
	named := make(chan error, 1)
	go func() { named <- supervise.SyncDir(rt.runs) }()
	err := errors.Join(writeRunRecord(r.dir, r.record), <-named)
	if err == nil {
		err = makeGroup(r.record.Cgroup, limits)
	}
	return err
}

// ignore is err, unless it is the one to be ignored.
func ignore(err, ignored error) error {
	if errors.Is(err, ignored) {
		return nil
	}
	return err
}

// ignoreExit is err, unless it only says that the process failed.
func ignoreExit(err error) error {
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return nil
	}
	return err
}
