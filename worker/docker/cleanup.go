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
		neverStarted := c.State == container.StateCreated
		if !r.claims.takeLeftover(name, neverStarted) {
			continue
		}
		// Not by force where the state alone tells: the engine then
		// refuses if it was started since it was listed.
		if err := r.removeLeftover(ctx, c.ID, !neverStarted); err != nil {
			r.claims.abandon(name)
			r.log.WarnContext(ctx, "a container that no run stands for could not be removed", "container", name, "err", err)
		} else {
			r.log.InfoContext(ctx, "removed a container that no run stands for", "container", name, "state", c.State)
		}
		r.claims.release(name)
	}
}

func (r *Runtime) removeLeftover(ctx context.Context, id string, force bool) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	return r.remove(ctx, id, force)
}

// summaryName is a listed container's name; the engine writes a slash first.
func summaryName(c container.Summary) string {
	if len(c.Names) == 0 {
		return ""
	}
	return strings.TrimPrefix(c.Names[0], "/")
}
