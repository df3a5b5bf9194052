package supervise

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervised is the task, as its supervisor has it.
type supervised struct {
	cgroup     *Group
	own        *Group // the supervisor's, on v1
	out        *LogWriter
	command    *command // until it has been started
	unprepared error    // why it cannot be
	started    Started

	mu     sync.Mutex // guards reaped, and the PID of the task against use after it
	reaped bool
}

// start starts the task's command. On an error nothing of it runs.
func (t *supervised) start() error {
	cmd := t.command
	t.command = nil // it holds the task's environment
	pid, err := t.fork(cmd)
	if err != nil && pid != 0 {
		// It runs, but its thread could not leave the cgroup again.
		t.killEverything()
	}
	if err != nil {
		return fmt.Errorf("the command %q cannot be started: %w", cmd.args[0], Plain(err))
	}
	bootID, err := BootID()
	start, errStart := StartTime(pid)
	if err := errors.Join(err, errStart); err != nil {
		t.killEverything()
		return err
	}
	t.started = Started{
		Version: RecordVersion,
		Task:    Identity{BootID: bootID, PID: pid, Start: start},
		Time:    time.Now(),
	}
	// The supervisor holds no file system but that of its records.
	return os.Chdir("/")
}

// fork starts the command with its output piped into the files of output. An
// error with a PID that is not 0 says that it runs all the same.
func (t *supervised) fork(cmd *command) (pid int, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close() //nolint:errcheck // only a handle
	stdout, stderr, err := t.out.pipes()
	if err != nil {
		return 0, err
	}
	cmd.attr.Files = []*os.File{null, stdout, stderr}
	err = t.cgroup.Start(cmd.attr.Sys, t.own, func() error {
		child, err := os.StartProcess(cmd.path, cmd.args, &cmd.attr)
		if err != nil {
			return err
		}
		pid = child.Pid
		return child.Release() // reap waits for it
	})
	// The task has its own copies; the pipes end when the last one closes.
	_, _ = stdout.Close(), stderr.Close()
	return pid, err
}

// command is what is executed.
type command struct {
	path string
	args []string
	attr os.ProcAttr
}

// newCommand looks the command up as the task would, in its PATH and from its
// working directory.
func newCommand(o *Order) (*command, error) {
	if err := os.Chdir(o.WorkingDir); err != nil {
		return nil, fmt.Errorf("the working directory %q cannot be entered: %w", o.WorkingDir, Plain(err))
	}
	program, err := lookPath(o.Command[0], Lookup(o.Env, "PATH"))
	if err != nil {
		return nil, fmt.Errorf("the command %q cannot be started: %w", o.Command[0], err)
	}
	for _, limit := range o.Limits {
		if err := unix.Setrlimit(limit.Resource, &unix.Rlimit{Cur: limit.Soft, Max: limit.Hard}); err != nil {
			return nil, fmt.Errorf("the resource limit %d cannot be set: %w", limit.Resource, err)
		}
	}
	return &command{path: program, args: o.Command, attr: os.ProcAttr{
		Dir: o.WorkingDir, Env: o.Env,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: o.Credential},
	}}, nil
}

// lookPath finds the program as exec.LookPath does, in a PATH that is not this
// process' own: os/exec would have more packages initialised before this one.
func lookPath(name, list string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	for _, dir := range strings.Split(list, ":") {
		// What is found by way of the working directory is not trusted.
		if program := join(dir, name); strings.HasPrefix(dir, "/") && executable(program) == nil {
			return program, nil
		}
	}
	return "", errors.New("executable file not found in $PATH")
}

// executable says why this process could not execute the file.
func executable(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return Plain(err)
	case info.IsDir():
		return unix.EISDIR
	case info.Mode()&0o111 == 0:
		return unix.EACCES
	}
	return nil
}

// Lookup returns the last value of the variable, as execve's environment has
// it for most programs, or "".
func Lookup(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if key, value, found := strings.Cut(env[i], "="); found && key == name {
			return value
		}
	}
	return ""
}

// Plain takes off what os wraps an error in: the message names the command
// already.
func Plain(err error) error {
	if wrapped := (*os.PathError)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// obey acts on signals until the process ends.
func (t *supervised) obey(signals <-chan os.Signal) {
	for s := range signals {
		switch s {
		case KillSignal:
			t.signal(unix.SIGKILL)
		case StopSignal:
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
	_ = t.cgroup.Kill()
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
		_ = t.cgroup.Kill()
		killDescendants(os.Getpid())
		_ = unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
}
