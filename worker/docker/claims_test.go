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
		c.release("a")
		if err := <-got; err != nil {
			t.Errorf("who waited got %v", err)
		}
		c.release("a")
	})
}

func TestOnlyLeftoversAreTaken(t *testing.T) {
	c := newClaims()
	take := func(name string, neverStarted bool) (held, abandoned bool) {
		held, abandoned = c.takeLeftover(name, neverStarted)
		if held {
			c.release(name)
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
	c.release("again")
	if held, _ := take("again", false); held {
		t.Error("one that was started again was taken as abandoned")
	}
}
