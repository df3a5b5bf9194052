package docker

import (
	"context"
	"errors"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"cube/worker"
)

// Remove deletes the run's container, its output and the anonymous volumes its
// image had made. A running one is refused by the engine.
func (r *Runtime) Remove(ctx context.Context, key worker.Key) error {
	r.groups.forget(key)
	name := containerName(key)
	c, err := r.find(ctx, name)
	if errors.Is(err, worker.ErrUnknownRun) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := r.remove(ctx, c.ID, false); err != nil {
		return engineError("remove container "+name, err)
	}
	return nil
}

// remove deletes a container; that it is gone already is no error. Where somebody
// else removes it just now, it is waited for.
func (r *Runtime) remove(ctx context.Context, id string, force bool) error {
	err := r.client.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true, Force: force})
	if errdefs.IsConflict(err) && r.isRemoving(ctx, id) {
		ctx, cancel := context.WithTimeout(ctx, cleanupTimeout) // theirs may fail
		defer cancel()
		gone, failed := r.client.ContainerWait(ctx, id, container.WaitConditionRemoved)
		select {
		case <-gone:
			return nil
		case err = <-failed:
		}
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// isRemoving reports whether the container is being removed, or has been.
func (r *Runtime) isRemoving(ctx context.Context, id string) bool {
	c, err := r.find(ctx, id)
	if err != nil {
		return errors.Is(err, worker.ErrUnknownRun)
	}
	return c.State.Status == container.StateRemoving
}
