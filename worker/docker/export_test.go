package docker

import (
	"context"

	"github.com/docker/docker/api/types/container"
)

// Sweep is what follows a listing, with a listing of the test's.
func (r *Runtime) Sweep(ctx context.Context, listed []container.Summary) { r.sweep(ctx, listed) }

// SayProgress has pulls say how far they are at every word of the engine's.
func (r *Runtime) SayProgress() { r.progress = 0 }
