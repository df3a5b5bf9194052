package docker

import (
	"math/rand/v2"
	"time"
)

const (
	firstPause = 50 * time.Millisecond
	longPause  = 5 * time.Second
	// steady is how long a connection has to last to count as a good one.
	steady = 10 * time.Second
)

// backoff is how long to wait before the engine is asked again: longer from
// one failure to the next, so that an engine that is down costs nothing, and
// uneven, so that the workers of one engine do not return as one.
type backoff struct {
	base time.Duration
}

// next is the pause after a connection that lasted so long.
func (b *backoff) next(lasted time.Duration) time.Duration {
	switch {
	case b.base == 0 || lasted >= steady:
		b.base = firstPause
	default:
		b.base = min(2*b.base, longPause)
	}
	return b.base/2 + rand.N(b.base/2)
}
