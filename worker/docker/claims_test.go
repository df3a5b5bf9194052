package docker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestClaimsAreHeldByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims()
		if err := c.acquire(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if held, _ := c.takeLeftover("a", true); held {
			t.Error("a name that is being started was taken for a leftover")
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp, got := make(chan error), make(chan error)
		go func() { gaveUp <- c.acquire(ctx, "a") }()
		go func() { got <- c.acquire(t.Context(), "a") }()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
		c.release("a", true)
		if err := <-got; err != nil {
			t.Errorf("who waited got %v", err)
		}
		c.release("a", true)
	})
}

func TestOnlyLeftoversAreTaken(t *testing.T) {
	c := newClaims()
	take := func(name string, neverStarted bool) (held, abandoned bool) {
		held, abandoned = c.takeLeftover(name, neverStarted)
		if held {
			c.release(name, true)
		}
		return held, abandoned
	}
	if held, _ := take("runs", false); held {
		t.Error("one that runs was taken")
	}
	if held, abandoned := take("new", true); !held || abandoned {
		t.Errorf("one that was never started: held %v, abandoned %v", held, abandoned)
	}
	c.abandon("lost")
	if held, abandoned := take("lost", false); !held || !abandoned {
		t.Errorf("an abandoned one: held %v, abandoned %v", held, abandoned)
	}
	if held, _ := take("lost", false); held {
		t.Error("an abandoned one was taken twice")
	}
	// Who starts it again wants it.
	c.abandon("again")
	if err := c.acquire(t.Context(), "again"); err != nil {
		t.Fatal(err)
	}
	c.release("again", true)
	if held, _ := take("again", false); held {
		t.Error("one that was started again was taken as abandoned")
	}
}

// A container whose making was asked for by a start that was given up, or by a
// worker that was killed, is nobody's; one that a start knows of is not touched.
func TestWhatWasMadeForNobodyIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims()
		take := func(name string) <-chan bool {
			taken := make(chan bool, 1)
			go func() {
				held, _ := c.takeMade(t.Context(), name)
				taken <- held
			}()
			synctest.Wait()
			return taken
		}
		for name, settled := range map[string]bool{"started": true, "given up": false} {
			if err := c.acquire(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			taken := take(name)
			select {
			case <-taken:
				t.Errorf("%s: it was not waited for", name)
			default:
			}
			c.release(name, settled)
			if held := <-taken; held == settled {
				t.Errorf("%s: taken: %v", name, held)
			}
		}
		if held := <-take("of a worker that was killed"); !held {
			t.Error("what nobody asked for was left")
		}
	})
}
