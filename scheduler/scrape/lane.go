package scrape

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// lane is a queue of targets with a bound on how many of them are scraped at
// once. It is guarded by Loop.mu.
type lane struct {
	limit   int
	want    int // how many workers there may be now; at most limit
	workers int
	queue   []*target
}

// usualWorkers is how many healthy targets are scraped at once where those
// answer in time. Few workers that go on cost less than many that begin with
// every slot and grow their stacks, and do not ask all of a slot at once.
const usualWorkers = 64

// adapt lets a lane that fell behind its slot have twice as many workers, and
// one that kept up lose some of those again.
func (l *Loop) adapt(ctx context.Context, group *errgroup.Group, lane *lane) {
	usual := min(usualWorkers, lane.limit)
	if len(lane.queue) == 0 {
		lane.want -= (lane.want - usual) / 8
		return
	}
	lane.want = min(2*lane.want, lane.limit)
	for range lane.want - lane.workers {
		l.staff(ctx, group, lane)
	}
}

// queueSlot queues the targets of a slot. One whose last scrape has not ended
// skips this tick.
func (l *Loop) queueSlot(ctx context.Context, group *errgroup.Group, slot int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adapt(ctx, group, &l.healthy)
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
	l.staff(ctx, group, lane)
}

// staff starts a worker in the lane if there is work and room for one. The
// caller holds l.mu.
func (l *Loop) staff(ctx context.Context, group *errgroup.Group, lane *lane) {
	if len(lane.queue) == 0 || lane.workers >= lane.want {
		return
	}
	lane.workers++
	w := &worker{lane: lane}
	group.Go(func() error {
		l.work(ctx, group, w)
		return nil
	})
}

// worker is a goroutine that scrapes one target after another.
type worker struct {
	lane *lane // guarded by Loop.mu
}

// work scrapes targets of the worker's lane until none is waiting. A scrape that
// outlasts the loop's patience gives up its place among the healthy, so that
// many which begin to hang at the same moment keep nobody waiting either: the
// worker counts among the suspects from then on.
func (l *Loop) work(ctx context.Context, group *errgroup.Group, w *worker) {
	patience := time.AfterFunc(l.patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if w.lane == &l.healthy {
			l.healthy.workers--
			l.suspect.workers++
			w.lane = &l.suspect
			l.staff(ctx, group, &l.healthy)
		}
	})
	defer patience.Stop()
	var done *target
	for {
		t := l.pass(ctx, group, w, done)
		if t == nil {
			return
		}
		patience.Reset(l.patience)
		l.scrape(ctx, t)
		patience.Stop()
		done = t
	}
}

// pass gives back the target that was done and takes the next one; nil ends the
// worker.
func (l *Loop) pass(ctx context.Context, group *errgroup.Group, w *worker, done *target) *target {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done != nil {
		again := done.again && !done.gone
		done.busy, done.again = false, false
		if again {
			l.queue(ctx, group, done)
		}
	}
	lane := w.lane
	for len(lane.queue) > 0 && lane.workers <= lane.limit && ctx.Err() == nil {
		t := lane.queue[0]
		lane.queue[0] = nil
		lane.queue = lane.queue[1:]
		if !t.gone {
			return t
		}
	}
	lane.workers--
	w.lane = nil // the timer has nothing to move any more
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
