package supervise

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// supervised is the task, as its supervisor has it.
type supervised struct {
	cgroup     *Group
	own        *Group // the supervisor's, on v1
	bootID     string
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
		return wrap("the command "+strconv.Quote(cmd.args[0])+" cannot be started", Plain(err))
	}
	start, err := StartTime(pid)
	if err != nil {
		t.killEverything()
		return err
	}
	t.started = Started{
		Version: RecordVersion,
		Task:    Identity{BootID: t.bootID, PID: pid, Start: start},
		Time:    time.Now().UTC(),
	}
	// The supervisor holds no file system but that of its records.
	return os.Chdir("/")
}

// fork starts the command with its output piped into the files of output. An
// error with a PID that is not 0 says that it runs all the same.
func (t *supervised) fork(cmd *command) (pid int, err error) {
	null, err := open(os.DevNull, syscall.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(null) //nolint:errcheck // only a handle
	stdout, stderr, err := t.out.pipes()
	if err != nil {
		return 0, err
	}
	cmd.attr.Files = []uintptr{uintptr(null), uintptr(stdout), uintptr(stderr)}
	err = t.cgroup.Start(cmd.attr.Sys, t.own, func() (err error) {
		// Not os.StartProcess, which would try out first whether there are
		// pidfds, with a process, and open one: reap waits for the task.
		pid, err = syscall.ForkExec(cmd.path, cmd.args, &cmd.attr)
		return err
	})
	// The task has its own copies; the pipes end when the last one closes.
	_, _ = syscall.Close(stdout), syscall.Close(stderr)
	return pid, err
}

// command is what is executed.
type command struct {
	path string
	args []string
	attr syscall.ProcAttr
}

// newCommand looks the command up as the task would, in its PATH and from its
// working directory.
func newCommand(o *Order) (*command, error) {
	if err := os.Chdir(o.WorkingDir); err != nil {
		return nil, wrap("the working directory "+strconv.Quote(o.WorkingDir)+" cannot be entered", Plain(err))
	}
	program, err := lookPath(o.Command[0], Lookup(o.Env, "PATH"))
	if err != nil {
		return nil, wrap("the command "+strconv.Quote(o.Command[0])+" cannot be started", err)
	}
	for _, limit := range o.Limits {
		if err := syscall.Setrlimit(limit.Resource, &syscall.Rlimit{Cur: limit.Soft, Max: limit.Hard}); err != nil {
			return nil, wrap("the resource limit "+strconv.Itoa(limit.Resource)+" cannot be set", err)
		}
	}
	return &command{path: program, args: o.Command, attr: syscall.ProcAttr{
		Dir: o.WorkingDir, Env: o.Env,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: o.Credential},
	}}, nil
}

// lookPath finds the program as exec.LookPath does, in a PATH that is not this
// process' own: os/exec would have more packages initialised before this one.
func lookPath(name, list string) (string, error) {
	if _, _, is := cut(name, '/'); is {
		return name, executable(name)
	}
	for dir := range split(list, ':') {
		// What is found by way of the working directory is not trusted.
		if program := join(dir, name); hasPrefix(dir, "/") && executable(program) == nil {
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
		return syscall.EISDIR
	case info.Mode()&0o111 == 0:
		return syscall.EACCES
	}
	return nil
}

// Lookup returns the last value of the variable, as execve's environment has
// it for most programs, or "".
func Lookup(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if key, value, found := cut(env[i], '='); found && key == name {
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
			t.signal(syscall.SIGKILL)
		case StopSignal:
			t.signal(syscall.SIGTERM)
		}
	}
}

// signal sends the signal to the task's process group, as a terminal would:
// a shell that waits for a command does not pass signals on. SIGKILL ends the
// first process of the run, and with it the run.
func (t *supervised) signal(sig syscall.Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reaped {
		return
	}
	pid := t.started.Task.PID
	_ = syscall.Kill(-pid, sig)
	// Once and not twice: programs take a second signal for impatience.
	if leads, err := syscall.Getpgid(pid); err == nil && leads != pid {
		_ = syscall.Kill(pid, sig)
	}
}

// reapAll waits for the task, then kills what it has left behind, and returns
// the task's status once there is no descendant any more.
func (t *supervised) reapAll() syscall.WaitStatus {
	var status syscall.WaitStatus
	for {
		pid, s, err := t.reap()
		switch {
		case errors.Is(err, syscall.ECHILD):
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
func (t *supervised) reap() (int, syscall.WaitStatus, error) {
	if err := awaitChild(); err != nil {
		return 0, 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
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
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if errors.Is(err, syscall.ECHILD) {
				return
			}
			if pid <= 0 && err == nil {
				break
			}
		}
		_ = t.cgroup.Kill()
		killDescendants(os.Getpid())
		_ = awaitChild()
	}
}
