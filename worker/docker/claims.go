package docker

import (
	"context"
	"sync"
)

// claims keeps the containers that are being started apart from those that
// wait to be cleaned away: a name is held by one of the two at a time.
type claims struct {
	mu        sync.Mutex          // guards both maps
	held      map[string]*hold    // by name
	abandoned map[string]struct{} // names whose failed start could not be undone
}

// hold is a name that is held.
type hold struct {
	free chan struct{} // closed when the name is released
	// settled is that its holder knows what became of the container. It is
	// set before free is closed and read afterwards.
	settled bool
}

func newClaims() *claims {
	return &claims{held: make(map[string]*hold), abandoned: make(map[string]struct{})}
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
		case <-busy.free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take holds the name, or returns who holds it.
func (c *claims) take(name string) *hold {
	c.mu.Lock()
	defer c.mu.Unlock()
	if busy, held := c.held[name]; held {
		return busy
	}
	c.held[name] = &hold{free: make(chan struct{})}
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
	c.held[name] = &hold{free: make(chan struct{})}
	delete(c.abandoned, name)
	return true, abandoned
}

// takeMade holds the name of a container that was just made, unless it is made
// for a start that knows of it: a start under way is waited for.
func (c *claims) takeMade(ctx context.Context, name string) (held, abandoned bool) {
	for {
		c.mu.Lock()
		busy := c.held[name]
		c.mu.Unlock()
		if busy == nil {
			if held, abandoned = c.takeLeftover(name, true); held {
				return held, abandoned
			}
			continue // somebody was quicker
		}
		select {
		case <-busy.free:
		case <-ctx.Done():
			return false, false
		}
		if busy.settled {
			return false, false
		}
	}
}

// abandon marks a name, held by the caller, for the next cleaning.
func (c *claims) abandon(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abandoned[name] = struct{}{}
}

// release lets go of a name; settled says that the caller knows what became of
// its container.
func (c *claims) release(name string, settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[name].settled = settled
	close(c.held[name].free)
	delete(c.held, name)
}
