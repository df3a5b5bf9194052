package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"cube/worker"
)

// lateOOM is how long the engine may take to say that the kill it has already
// reported was one for memory: the two come to it on different ways, and
// either can be first (https://github.com/containerd/containerd/issues/12260).
const lateOOM = 250 * time.Millisecond

// Wait blocks until the run has ended and says how. While the engine is away
// it goes on waiting.
func (r *Runtime) Wait(ctx context.Context, key worker.Key) (worker.Exit, error) {
	exit, err := r.wait(ctx, key, lateOOM)
	if err == nil {
		r.groups.forget(key) // it uses nothing from now on
	}
	return exit, err
}

// wait is Wait; a kill that may have been one for memory is returned only
// after patience has passed, if nothing has come of it.
func (r *Runtime) wait(ctx context.Context, key worker.Key, patience time.Duration) (worker.Exit, error) {
	name := containerName(key)
	me := r.watch.add(name)
	defer r.watch.drop(name, me)
	var tired <-chan time.Time // fires when patience has passed
	for {
		c, err := r.look(ctx, key)
		died := r.watch.lastDied(me)
		switch {
		case err == nil && !c.State.Running:
			exit := exitOf(c, r.boot)
			if !mayBeOOM(c, exit, patience) {
				return exit, nil
			}
			if tired == nil {
				timer := time.NewTimer(patience)
				defer timer.Stop()
				tired = timer.C
			}
		case errors.Is(err, worker.ErrUnknownRun) && died != nil:
			// Somebody else removed it; what the event said stands.
			return *died, nil
		case errors.Is(err, worker.ErrUnknownRun):
			return worker.Exit{}, err
		case err != nil && ctx.Err() == nil:
			r.watch.doubt()
		}
		select {
		case <-me.wake:
		case <-tired:
			patience = 0
		case <-ctx.Done():
			return worker.Exit{}, ctx.Err()
		case <-r.ctx.Done():
			return worker.Exit{}, errClosed
		}
	}
}

// look inspects a container for one who waits for it. After a connection all
// do so at once; the engine is to get a few at a time.
func (r *Runtime) look(ctx context.Context, key worker.Key) (container.InspectResponse, error) {
	select {
	case r.looks <- struct{}{}:
		defer func() { <-r.looks }()
		return r.inspect(ctx, key)
	case <-ctx.Done():
		return container.InspectResponse{}, ctx.Err()
	}
}

// mayBeOOM reports whether word may still come that the container was killed
// for the memory it took: it had a limit, was killed, and just now.
func mayBeOOM(c container.InspectResponse, exit worker.Exit, patience time.Duration) bool {
	const killed = 128 + 9
	limited := c.HostConfig != nil && c.HostConfig.Memory > 0
	return limited && !exit.OOMKilled && exit.Code != nil && *exit.Code == killed && time.Since(exit.Time) < patience
}

// Stop sends the container SIGTERM, or the signal its image names instead, and
// SIGKILL after grace. With its first process all others of the container end.
// One that was made but never started is removed, so that a request to start it,
// left with the engine by a worker that was killed, does not start it later.
func (r *Runtime) Stop(ctx context.Context, key worker.Key, grace time.Duration) error {
	c, err := r.find(ctx, containerName(key))
	switch {
	case errors.Is(err, worker.ErrUnknownRun):
		return nil
	case err != nil:
		return err
	case c.State.Status == container.StateCreated:
		if err := r.remove(ctx, c.ID, true); err != nil {
			return engineError("remove container "+containerName(key), err)
		}
		return nil
	case !c.State.Running:
		return nil
	}
	polite := c.Config.StopSignal
	if polite == "" {
		polite = "SIGTERM"
	}
	if err := r.signal(ctx, key, polite); err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := r.ended(patience, key); err == nil || patience.Err() == nil || ctx.Err() != nil {
		return err
	}
	if err := r.signal(ctx, key, "SIGKILL"); err != nil {
		return err
	}
	return r.ended(ctx, key)
}

// ended blocks until the run has ended or is gone.
func (r *Runtime) ended(ctx context.Context, key worker.Key) error {
	if _, err := r.wait(ctx, key, 0); err != nil && !errors.Is(err, worker.ErrUnknownRun) {
		return err
	}
	return nil
}

// signal sends a signal to the container's first process. One that has ended
// or is gone is no error.
func (r *Runtime) signal(ctx context.Context, key worker.Key, signal string) error {
	name := containerName(key)
	err := r.client.ContainerKill(ctx, name, signal)
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return engineError(fmt.Sprintf("send %s to container %s", signal, name), err)
	}
	return nil
}
