package docker

import (
	"context"
	"sync"
)

// claims keeps the containers that are being started apart from those that
// wait to be cleaned away: a name is held by one of the two at a time.
type claims struct {
	mu        sync.Mutex               // guards both maps
	held      map[string]chan struct{} // closed when the name is released
	abandoned map[string]struct{}      // names whose failed start could not be undone
}

func newClaims() *claims {
	return &claims{held: make(map[string]chan struct{}), abandoned: make(map[string]struct{})}
}

// acquire holds the name, after whoever has it now. Whoever starts a name
// again wants what there is of it: it is no longer abandoned.
func (c *claims) acquire(ctx context.Context, name string) error {
	for {
		busy := c.take(name)
		if busy == nil {
			return nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take holds the name, or returns what is closed when it is free.
func (c *claims) take(name string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if busy, held := c.held[name]; held {
		return busy
	}
	c.held[name] = make(chan struct{})
	delete(c.abandoned, name)
	return nil
}

// takeLeftover holds the name if it is to be cleaned away: abandoned, or never
// started and not about to be.
func (c *claims) takeLeftover(name string, neverStarted bool) (held, abandoned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, busy := c.held[name]; busy {
		return false, false
	}
	if _, abandoned = c.abandoned[name]; !abandoned && !neverStarted {
		return false, false
	}
	c.held[name] = make(chan struct{})
	delete(c.abandoned, name)
	return true, abandoned
}

// abandon marks a name, held by the caller, for the next cleaning.
func (c *claims) abandon(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abandoned[name] = struct{}{}
}

// release lets go of a name.
func (c *claims) release(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.held[name])
	delete(c.held, name)
}
