package scrape

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// lane is a queue of targets with a bound on how many of them are scraped at
// once. It is guarded by Loop.mu.
type lane struct {
	limit   int
	workers int
	queue   []*target
}

// queueSlot queues the targets of a slot. One whose last scrape has not ended
// skips this tick.
func (l *Loop) queueSlot(ctx context.Context, group *errgroup.Group, slot int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.slots[slot] {
		if t.busy {
			l.metrics.scrapes[Skipped].Inc()
			continue
		}
		l.queue(ctx, group, t)
	}
}

// queueUrgent queues those that are to be scraped out of turn.
func (l *Loop) queueUrgent(ctx context.Context, group *errgroup.Group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.urgent {
		switch {
		case t.gone:
		case t.busy:
			t.again = true
		default:
			l.queue(ctx, group, t)
		}
	}
	clear(l.urgent)
	l.urgent = l.urgent[:0]
}

// queue puts a target into its lane and sees to it that somebody works there.
// The caller holds l.mu.
func (l *Loop) queue(ctx context.Context, group *errgroup.Group, t *target) {
	t.busy = true
	lane := &l.healthy
	if t.suspect {
		lane = &l.suspect
	}
	lane.queue = append(lane.queue, t)
	if lane.workers < lane.limit {
		lane.workers++
		group.Go(func() error {
			l.work(ctx, group, lane)
			return nil
		})
	}
}

// work scrapes targets of the lane until none is waiting.
func (l *Loop) work(ctx context.Context, group *errgroup.Group, lane *lane) {
	var done *target
	for {
		t := l.pass(ctx, group, lane, done)
		if t == nil {
			return
		}
		l.scrape(ctx, t)
		done = t
	}
}

// pass gives back the target that was done and takes the next one; nil ends the
// worker.
func (l *Loop) pass(ctx context.Context, group *errgroup.Group, lane *lane, done *target) *target {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done != nil {
		again := done.again && !done.gone
		done.busy, done.again = false, false
		if again {
			l.queue(ctx, group, done)
		}
	}
	for len(lane.queue) > 0 && ctx.Err() == nil {
		t := lane.queue[0]
		lane.queue[0] = nil
		lane.queue = lane.queue[1:]
		if !t.gone {
			return t
		}
	}
	lane.workers--
	return nil
}

// drain empties the lanes once nobody works in them. The caller holds l.mu.
func (l *Loop) drain() {
	for _, lane := range []*lane{&l.healthy, &l.suspect} {
		for _, t := range lane.queue {
			t.busy, t.again = false, false
		}
		lane.queue = nil
	}
}
