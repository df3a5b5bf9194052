package manager

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// journal brings changes to disk in the order in which they were handed in,
// all that wait with one transaction: a group commit. While one transaction
// waits for the disk, the next one gathers.
type journal struct {
	store Store
	// report is told of every transaction, before those who wait for it: how
	// long it took, and whether it failed.
	report func(changes *Changes, took time.Duration, err error)

	mu      sync.Mutex // guards the fields below
	batch   *commit    // gathers; nil when nothing waits
	stopped bool
	wake    chan struct{} // holds one token while a batch waits
}

// commit is one transaction to be, or one that was.
type commit struct {
	changes Changes
	done    chan struct{} // closed once err is set
	err     error
}

// wait blocks until the commit is on disk, or has failed.
func (c *commit) wait() error {
	<-c.done
	return c.err
}

func newJournal(store Store, report func(*Changes, time.Duration, error)) *journal {
	return &journal{store: store, report: report, wake: make(chan struct{}, 1)}
}

// append queues changes and returns the commit they will be part of. Of two
// changes to one thing the later append wins.
func (j *journal) append(c Changes) *commit {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped {
		failed := &commit{done: make(chan struct{}), err: errStopped}
		close(failed.done)
		return failed
	}
	if j.batch == nil {
		j.batch = &commit{done: make(chan struct{})}
		select {
		case j.wake <- struct{}{}:
		default: // a token is there already
		}
	}
	into := &j.batch.changes
	into.Tasks = append(into.Tasks, c.Tasks...)
	into.Decisions = append(into.Decisions, c.Decisions...)
	into.Forgotten = append(into.Forgotten, c.Forgotten...)
	into.Nodes = append(into.Nodes, c.Nodes...)
	return j.batch
}

// run commits until ctx ends, then commits what is left and refuses more.
func (j *journal) run(ctx context.Context) {
	for {
		select {
		case <-j.wake:
			j.flush()
		case <-ctx.Done():
			j.mu.Lock()
			j.stopped = true
			j.mu.Unlock()
			j.flush()
			return
		}
	}
}

func (j *journal) flush() {
	j.mu.Lock()
	c := j.batch
	j.batch = nil
	j.mu.Unlock()
	if c == nil {
		return
	}
	started := time.Now()
	err := j.store.Save(c.changes)
	if err != nil {
		c.err = fmt.Errorf("the store cannot be written: %w", err)
	}
	j.report(&c.changes, time.Since(started), c.err)
	close(c.done)
}
