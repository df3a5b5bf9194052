package scrape

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Loop scrapes its targets, each once an interval, and hands every result to
// the sink. Its methods may be called concurrently.
type Loop struct {
	config  Config
	fetcher *fetcher
	sources map[string]*compiled
	metrics instruments
	// patience is how long a scrape may hold a place among the healthy.
	patience time.Duration
	pages    sync.Pool    // of *scratch
	layouts  atomic.Int64 // bytes that the layout of a target's page may have
	wake     chan struct{}

	mu      sync.Mutex // guards what follows, and the scheduling fields of the targets
	running bool
	targets map[string]*target
	slots   [slots][]*target
	urgent  []*target // to be queued without waiting for their slot
	healthy lane
	suspect lane
}

// scratch is what one scrape at a time needs.
type scratch struct {
	body bytes.Buffer
	page page
}

// New makes a loop without targets.
func New(config Config) (*Loop, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Loop{
		config:  config,
		fetcher: newFetcher(config.Client, config.Timeout, config.MaxBody),
		sources: map[string]*compiled{},
		metrics: newInstruments(),
		pages:   sync.Pool{New: func() any { return new(scratch) }},
		wake:    make(chan struct{}, 1),
		targets: map[string]*target{},

		patience: config.Timeout / 8,
	}
	l.suspect.limit = max(1, config.Concurrency/2)
	l.suspect.want = l.suspect.limit
	l.healthy.limit = max(1, config.Concurrency-l.suspect.limit)
	l.healthy.want = min(usualWorkers, l.healthy.limit)
	for _, s := range config.Sources {
		if l.sources[s.Name], err = compile(s); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// SetTargets replaces the targets. One that stays as it was keeps its slot and
// what is remembered of it; a new one is scraped at once. Of two with one name
// the later stands. A target that can never be scraped gives results that say
// so. After SetTargets has returned, no call of the sink begins for a target
// that is gone; one may be ending.
func (l *Loop) SetTargets(targets []Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := make(map[string]*target, len(targets))
	for _, t := range targets {
		t = t.withDefaults()
		if old := l.targets[t.Node]; old != nil && old.Target == t {
			next[t.Node] = old
		} else {
			next[t.Node] = newTarget(t, l.sources, slots)
		}
	}
	for name, old := range l.targets {
		old.gone = next[name] != old
	}
	for i := range l.slots {
		l.slots[i] = nil
	}
	for name, t := range next {
		l.slots[t.slot] = append(l.slots[t.slot], t)
		if l.targets[name] != t {
			l.urgent = append(l.urgent, t)
		}
	}
	l.targets = next
	l.layouts.Store(int64(layoutLimit(len(next))))
	l.nudge()
}

// ScrapeNow scrapes the node soon, out of turn: at once, or again when the
// scrape under way has ended, since that one may have looked too early. A name
// that is no target's is ignored.
func (l *Loop) ScrapeNow(node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.targets[node]; t != nil {
		l.urgent = append(l.urgent, t)
		l.nudge()
	}
}

// nudge wakes Run to look at the urgent ones.
func (l *Loop) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run scrapes until ctx ends, then waits for the scrapes under way, which it
// cuts short, and returns nil. A loop runs once at a time.
func (l *Loop) Run(ctx context.Context) error {
	l.mu.Lock()
	if l.running {
		l.mu.Unlock()
		return errors.New("the scrape loop runs already")
	}
	l.running = true
	l.mu.Unlock()

	var group errgroup.Group
	l.turn(ctx, &group)
	err := group.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	l.drain()
	l.running = false
	return err
}

// turn goes round the slots. The phase comes from absolute time once; from then
// on the monotonic clock counts, so that a step of the wall clock neither skips
// a round nor makes two.
func (l *Loop) turn(ctx context.Context, group *errgroup.Group) {
	width := l.config.Interval / slots
	now := time.Now()
	next := now.Truncate(width).Add(width)
	due := now.Add(next.Sub(now)) // the same moment, on the monotonic clock
	slot := int(next.UnixNano() / int64(width) % slots)

	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			l.queueUrgent(ctx, group)
		case <-timer.C:
			// After a pause (a machine suspended, a process starved) each
			// slot that was missed is made up for once.
			for range slots {
				if time.Until(due) > 0 {
					break
				}
				l.queueSlot(ctx, group, slot)
				slot, due = (slot+1)%slots, due.Add(width)
			}
			if behind := -time.Until(due); behind > 0 {
				round := slots * width
				due = due.Add(behind.Truncate(round) + round)
			}
			timer.Reset(time.Until(due))
		}
	}
}
