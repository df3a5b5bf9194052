package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervised is the task, as its supervisor has it.
type supervised struct {
	cgroup     *group
	own        *group // the supervisor's, on v1
	out        *logWriter
	command    *exec.Cmd // until it has been started
	unprepared error     // why it cannot be
	started    startedRecord

	mu     sync.Mutex // guards reaped, and the PID of the task against use after it
	reaped bool
}

// start starts the task's command. On an error nothing of it runs.
func (t *supervised) start() error {
	cmd := t.command
	t.command = nil // it holds the task's environment
	stdout, stderr, err := t.out.pipes()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = t.cgroup.start(cmd, t.own)
	// The task has its own copies; the pipes end when the last one closes.
	_, _ = stdout.Close(), stderr.Close()
	if err != nil && cmd.Process != nil {
		// It runs, but its thread could not leave the cgroup again.
		t.killEverything()
	}
	if err != nil {
		return fmt.Errorf("the command %q cannot be started: %w", cmd.Args[0], plain(err))
	}
	bootID, err := readBootID()
	start, errStart := startTime(cmd.Process.Pid)
	if err := errors.Join(err, errStart); err != nil {
		t.killEverything()
		return err
	}
	t.started = startedRecord{
		Version: recordVersion,
		Task:    identity{BootID: bootID, PID: cmd.Process.Pid, Start: start},
		Time:    time.Now(),
	}
	// The supervisor holds no file system but that of its records.
	return os.Chdir("/")
}

// command looks the command up as the task would, in its PATH and from its
// working directory.
func command(o *order) (*exec.Cmd, error) {
	if err := os.Chdir(o.WorkingDir); err != nil {
		return nil, fmt.Errorf("the working directory %q cannot be entered: %w", o.WorkingDir, plain(err))
	}
	if err := os.Setenv("PATH", lookup(o.Env, "PATH")); err != nil {
		return nil, err
	}
	path, err := exec.LookPath(o.Command[0])
	if err != nil {
		return nil, fmt.Errorf("the command %q cannot be started: %w", o.Command[0], plain(err))
	}
	for _, limit := range o.Limits {
		if err := unix.Setrlimit(limit.Resource, &unix.Rlimit{Cur: limit.Soft, Max: limit.Hard}); err != nil {
			return nil, fmt.Errorf("the resource limit %d cannot be set: %w", limit.Resource, err)
		}
	}
	return &exec.Cmd{
		Path: path, Args: o.Command, Env: o.Env, Dir: o.WorkingDir,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: o.Credential},
	}, nil
}

// plain takes off what os and os/exec wrap an error in: the message names the
// command already.
func plain(err error) error {
	if wrapped := (*exec.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	if wrapped := (*os.PathError)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// obey acts on signals until the process ends.
func (t *supervised) obey(signals <-chan os.Signal) {
	for s := range signals {
		switch s {
		case killSignal:
			t.signal(unix.SIGKILL)
		case stopSignal:
			t.signal(unix.SIGTERM)
		}
	}
}

// signal sends the signal to the task's process group, as a terminal would:
// a shell that waits for a command does not pass signals on. SIGKILL ends the
// first process of the run, and with it the run.
func (t *supervised) signal(sig unix.Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reaped {
		return
	}
	pid := t.started.Task.PID
	_ = unix.Kill(-pid, sig)
	// Once and not twice: programs take a second signal for impatience.
	if leads, err := unix.Getpgid(pid); err == nil && leads != pid {
		_ = unix.Kill(pid, sig)
	}
}

// reapAll waits for the task, then kills what it has left behind, and returns
// the task's status once there is no descendant any more.
func (t *supervised) reapAll() unix.WaitStatus {
	var status unix.WaitStatus
	for {
		pid, s, err := t.reap()
		switch {
		case errors.Is(err, unix.ECHILD):
			return status
		case err != nil:
			continue // EINTR
		case pid == t.started.Task.PID:
			status = s
			t.killEverything()
			return status
		}
	}
}

// reap waits for one child to end. The PID stays taken, and safe to signal,
// until it is marked as reaped.
func (t *supervised) reap() (int, unix.WaitStatus, error) {
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		return 0, 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var status unix.WaitStatus
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
	if pid == t.started.Task.PID {
		t.reaped = true
	}
	return pid, status, err
}

// killEverything kills all descendants and reaps them. An orphan's parent is
// this process, so there is none left when there is no child left.
func (t *supervised) killEverything() {
	// Errors are not acted on: what was not killed is still a child, and the
	// loop goes on.
	_ = t.cgroup.kill()
	for {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if errors.Is(err, unix.ECHILD) {
				return
			}
			if pid <= 0 && err == nil {
				break
			}
		}
		_ = t.cgroup.kill()
		killDescendants(os.Getpid())
		_ = unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
}
