package docker

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"cube/worker"
)

// cleanupTimeout bounds the removal of one leftover. The engine kills and
// unmounts; a busy one takes seconds.
const cleanupTimeout = 30 * time.Second

// discard removes what a failed start has left, the caller's context ended or
// not. What cannot be removed now, since the engine is away, is when it is
// back.
func (r *Runtime) discard(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	c, err := r.find(ctx, name)
	if err == nil {
		err = r.remove(ctx, c.ID, true)
	}
	if err == nil || errors.Is(err, worker.ErrUnknownRun) {
		return
	}
	r.claims.abandon(name)
	r.log.WarnContext(ctx, "what a failed start left is not removed yet", "container", name, "err", err)
}

// sweep removes, of the containers listed, those that no run stands for: made
// but never started, or left by a start that failed while the engine was away.
func (r *Runtime) sweep(ctx context.Context, listed []container.Summary) {
	for _, c := range listed {
		name := summaryName(c)
		held, abandoned := r.claims.takeLeftover(name, c.State == container.StateCreated)
		if !held {
			continue
		}
		r.sweepOne(ctx, name, c.ID, abandoned)
		r.claims.release(name, true)
	}
}

// sweepMade removes a container that was just made, where nobody knows of it: a
// request to make it was under way when the worker that sent it was killed, or
// when the start it was for was given up. Such a container was not there yet when
// they looked for what was left.
func (r *Runtime) sweepMade(ctx context.Context, name, id string) {
	held, abandoned := r.claims.takeMade(ctx, name)
	if !held {
		return
	}
	r.sweepOne(ctx, name, id, abandoned)
	r.claims.release(name, true)
}

// sweepOne removes a container; the caller holds its name. One that is only
// said to have never been started may have been since it was listed, on a
// request that a killed worker had left with the engine. It may even have ended:
// its exit code is not to be lost. So it is looked at again, for which the engine
// waits until a start under way is done, and not removed by force.
func (r *Runtime) sweepOne(ctx context.Context, name, id string, abandoned bool) {
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	if !abandoned {
		c, err := r.find(ctx, id)
		if err != nil || c.State.Status != container.StateCreated {
			return
		}
	}
	err := r.remove(ctx, id, abandoned)
	switch {
	case err == nil:
		r.log.InfoContext(ctx, "removed a container that no run stands for", "container", name)
	case abandoned:
		r.claims.abandon(name)
		r.log.WarnContext(ctx, "what a failed start left is not removed yet", "container", name, "err", err)
	default:
		r.log.DebugContext(ctx, "left a container that was listed as never started", "container", name, "err", err)
	}
}

// summaryName is a listed container's name; the engine writes a slash first.
func summaryName(c container.Summary) string {
	if len(c.Names) == 0 {
		return ""
	}
	return strings.TrimPrefix(c.Names[0], "/")
}
