package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cube/worker"
	"cube/worker/process/supervise"
)

var _ worker.Execer = (*Runtime)(nil)

// Exec runs a command beside a running task: in its cgroup, as its user, in
// its working directory and with the environment it was started with. It
// returns the command's exit code, 128+n for a signal n. When the context ends
// the command's process group is killed. An error means that the command could
// not be run, or not to its end.
func (rt *Runtime) Exec(ctx context.Context, key worker.Key, command []string) (int, error) {
	r, err := rt.lookup(key)
	if err != nil {
		return 0, err
	}
	if r.ended() || r.started == nil {
		return 0, fmt.Errorf("run %s has ended; no command can be run beside it", key)
	}
	cmd, err := r.beside(ctx, command)
	if err != nil {
		return 0, err
	}
	// The thread that starts the command stays until it has ended: its end
	// would be that of the command (PR_SET_PDEATHSIG), which is meant for
	// the end of the worker.
	err = onSideThread(func() error {
		err := r.record.Cgroup.Start(cmd.SysProcAttr, nil, cmd.Start)
		if err != nil && cmd.Process != nil {
			// It runs, but this thread is in the wrong cgroup.
			return errors.Join(err, cmd.Cancel(), ignoreExit(cmd.Wait()))
		}
		if err != nil {
			return fmt.Errorf("the command %q cannot be started: %w", command[0], plain(err))
		}
		return cmd.Wait()
	})
	if ctx.Err() != nil {
		return 0, fmt.Errorf("the command %q did not end in time: %w", command[0], ctx.Err())
	}
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return supervise.ExitCode(failed.Sys().(syscall.WaitStatus)), nil
	}
	return 0, err
}

// beside is a command as the run's own.
func (r *run) beside(ctx context.Context, command []string) (*exec.Cmd, error) {
	if len(command) == 0 {
		return nil, errors.New("there is no command to run")
	}
	environ, err := environOf(ctx, r.started.Task.PID)
	if err != nil {
		return nil, fmt.Errorf("the environment of run %s cannot be read: %w", r.record.Key, plain(err))
	}
	// After, so that it was that process whose environment was read.
	if start, err := supervise.StartTime(r.started.Task.PID); err != nil || start != r.started.Task.Start {
		return nil, fmt.Errorf("run %s is ending; no command can be run beside it", r.record.Key)
	}
	if err := supervise.CloseAllOnExec(); err != nil {
		return nil, fmt.Errorf("descriptors cannot be kept from the command %q: %w", command[0], err)
	}
	env := strings.FieldsFunc(string(environ), func(c rune) bool { return c == 0 })
	path, err := findProgram(command[0], supervise.Lookup(env, "PATH"))
	if err != nil {
		return nil, fmt.Errorf("the command %q cannot be started: %w", command[0], err)
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args, cmd.Env, cmd.Dir = command, env, r.record.WorkingDir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: r.record.Credential}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// plain takes off what os and os/exec wrap an error in: the message names the
// command already.
func plain(err error) error {
	if wrapped := (*exec.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return supervise.Plain(err)
}

// environOf reads the environment of a run's first process, which is never empty:
// it has at least the run's own variable. To the kernel it is for a moment,
// between the exec that Start has seen succeed and the end of it
// (environ_read: "far enough to have an environment"), and nothing tells when
// that is over.
func environOf(ctx context.Context, pid int) ([]byte, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
		if err != nil || len(environ) > 0 {
			return environ, err
		}
		if _, err := supervise.StartTime(pid); err != nil {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// findProgram is exec.LookPath in a PATH that is not this process' own.
func findProgram(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // relative to whom?
		}
		candidate := filepath.Join(dir, name)
		if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("it is not in %q: %w", path, fs.ErrNotExist)
}

// onSideThread calls f on a thread of its own that is not the first of the
// process: the process' memory is charged to the cgroup of that one.
func onSideThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() != os.Getpid() {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- f()
	}()
	return <-done
}
