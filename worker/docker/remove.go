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

// remove deletes a container; that it is gone already is no error.
func (r *Runtime) remove(ctx context.Context, id string, force bool) error {
	err := r.client.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true, Force: force})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
