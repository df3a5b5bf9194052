package docker

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"cube/worker"
)

// killTimeout bounds the killing of a command that has outlived its context.
const killTimeout = 5 * time.Second

// Exec runs a command inside a running container and returns its exit code;
// its output is dropped. Where ctx ends first the command is killed, as far as
// its process is in reach: the engine has no way to end one.
func (r *Runtime) Exec(ctx context.Context, key worker.Key, command []string) (int, error) {
	doing := "run a command in container " + containerName(key)
	c, err := r.inspect(ctx, key)
	if err != nil {
		return 0, err
	}
	created, err := r.client.ContainerExecCreate(ctx, c.ID, container.ExecOptions{Cmd: command})
	if err != nil {
		return 0, engineError(doing, err)
	}
	// Its end is an event of the container's. If that ends first, so has the
	// command.
	me := r.watch.add(containerName(key))
	defer r.watch.drop(containerName(key), me)
	// Not cut short: the engine would start the command all the same, and
	// nobody would know of it.
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
	defer cancel()
	if err := r.client.ContainerExecStart(starting, created.ID, container.ExecStartOptions{Detach: true}); err != nil {
		return 0, engineError(doing, err)
	}
	code, err := r.execEnd(ctx, me, created.ID)
	if err != nil {
		r.killExec(ctx, c.ID, created.ID)
		return 0, engineError(doing, err)
	}
	return code, nil
}

// execEnd waits for the end of a command.
func (r *Runtime) execEnd(ctx context.Context, me *waiter, id string) (int, error) {
	for {
		state, err := r.client.ContainerExecInspect(ctx, id)
		switch {
		case err == nil && !state.Running:
			return state.ExitCode, nil
		case errdefs.IsNotFound(err):
			return 0, errors.New("the container ended before the command did")
		case err != nil && ctx.Err() == nil:
			r.watch.doubt()
		}
		select {
		case <-me.wake:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-r.ctx.Done():
			return 0, errClosed
		}
	}
}

// killExec kills what is left of a command, if its process is one of this
// machine: the cgroup says whether it is the container's.
func (r *Runtime) killExec(ctx context.Context, container, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
	defer cancel()
	state, err := r.client.ContainerExecInspect(ctx, id)
	if err != nil || !state.Running || state.Pid == 0 || r.groups.reader == nil {
		return
	}
	group, err := r.groups.reader.OfPID(state.Pid)
	if err != nil || !strings.Contains(group.Path, container) {
		return
	}
	process, err := os.FindProcess(state.Pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.log.WarnContext(ctx, "a command in a container outlives its time", "container", container, "pid", state.Pid, "err", err)
	}
}
