package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"cube/worker"
	"cube/worker/task"
)

// vanishedTimeout bounds how long a start begins again and again because the
// container vanished under it, or its name is taken and nothing has it: a worker
// that was killed has left a request with the engine, which goes on making,
// starting or removing the container as if somebody waited for it.
const vanishedTimeout = 30 * time.Second

// lateLoss is how long after a fault of its own an engine may go away for the fault
// to be taken for the beginning of that. A start that fails takes that much longer.
const lateLoss = time.Second

// Start makes the run's container, its image pulled where the task's policy
// says so, and starts it. A container that there is already for the key is
// taken as it is: started if it never was, returned if it runs or has ended.
//
// Where the engine goes away in the middle ([worker.ErrUnavailable]), nobody
// can tell what it has done, nor undo it. A second Start or a Stop of the same
// key, once it is back, settles that.
func (r *Runtime) Start(ctx context.Context, key worker.Key, t *task.Task) (worker.Run, error) {
	if t.Image == "" {
		return worker.Run{}, fmt.Errorf("task %s has no Image, which the Docker runtime needs", key.Task)
	}
	name := containerName(key)
	if err := r.claims.acquire(ctx, name); err != nil {
		return worker.Run{}, err
	}
	started := false
	defer func() { r.claims.release(name, started) }()
	var pause backoff
	for began := time.Now(); ; {
		run, err := r.start(ctx, key, t)
		if errors.Is(err, errVanished) && time.Since(began) < vanishedTimeout && r.rest(ctx, pause.next(0)) {
			continue
		}
		if err == nil {
			started = true
			return run, nil
		}
		// An engine that shuts down answers with faults of its own until it is
		// gone. They are not the task's.
		if errdefs.IsInternal(err) && r.watch.breaks(ctx, lateLoss) {
			err = fmt.Errorf("%w: %w", worker.ErrUnavailable, err)
		}
		err = engineError("start container "+name, err)
		if ctx.Err() != nil || !errors.Is(err, worker.ErrUnavailable) {
			r.discard(ctx, name)
		}
		return worker.Run{}, err
	}
}

// rest waits so long, and says whether it was not cut short.
func (r *Runtime) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-r.ctx.Done():
	}
	return false
}

// start is one attempt.
func (r *Runtime) start(ctx context.Context, key worker.Key, t *task.Task) (worker.Run, error) {
	name := containerName(key)
	err := r.create(ctx, key, t)
	if errdefs.IsConflict(err) {
		there, findErr := r.find(ctx, name)
		switch {
		case errors.Is(findErr, errForeign):
			return worker.Run{}, findErr
		case errors.Is(findErr, worker.ErrUnknownRun):
			return worker.Run{}, errVanished
		case findErr != nil:
			return worker.Run{}, findErr
		case there.State.Status == container.StateRemoving || there.State.Status == container.StateDead:
			return worker.Run{}, errVanished
		case there.State.Status != container.StateCreated:
			return r.runOf(key, there), nil
		case r.boot.sees(there) == other:
			// Its label would say of its end that nobody has seen it.
			if err := r.remove(ctx, there.ID, false); err != nil {
				return worker.Run{}, err
			}
			return worker.Run{}, errVanished
		}
	} else if err != nil {
		return worker.Run{}, err
	}

	if err := r.client.ContainerStart(ctx, name, container.StartOptions{}); errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		// Gone, or about to be.
		return worker.Run{}, fmt.Errorf("%w: %w", errVanished, err)
	} else if err != nil {
		return worker.Run{}, err
	}
	started, err := r.find(ctx, name)
	if err != nil {
		return worker.Run{}, err
	}
	return r.runOf(key, started), nil
}

// create makes the container, and pulls the image if that is missing. Asking
// for the container first saves the question for the image in the usual case.
func (r *Runtime) create(ctx context.Context, key worker.Key, t *task.Task) error {
	if t.ImagePullPolicy == pullAlways {
		if err := r.pull(ctx, t.Image); err != nil {
			return err
		}
	}
	err := r.createOnce(ctx, key, t)
	if !errdefs.IsNotFound(err) || t.ImagePullPolicy == pullAlways {
		return err
	}
	if t.ImagePullPolicy == pullNever {
		return fmt.Errorf("the task's pull policy is never: %w", err)
	}
	if err := r.pull(ctx, t.Image); err != nil {
		return err
	}
	return r.createOnce(ctx, key, t)
}

func (r *Runtime) createOnce(ctx context.Context, key worker.Key, t *task.Task) error {
	name := containerName(key)
	created, err := r.client.ContainerCreate(ctx, r.containerConfig(key, t), r.hostConfig(t), nil, nil, name)
	for _, warning := range created.Warnings {
		r.log.DebugContext(ctx, "the engine warned of a container", "container", name, "warning", warning)
	}
	if err != nil {
		return fmt.Errorf("image %q: %w", t.Image, err)
	}
	return nil
}
