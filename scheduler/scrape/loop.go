package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"cube/scheduler"
)

// The defaults of [Config].
const (
	DefaultInterval    = 5 * time.Second
	DefaultMaxBody     = 1 << 20
	DefaultMaxSamples  = 20_000
	DefaultConcurrency = 1024
)

// MaxTimeout is how much of the interval a scrape may take.
const MaxTimeout = 0.8

// slots is how many parts an interval is cut into; at 5 s they are 250 ms.
const slots = 20

// Config is what a loop needs to know.
type Config struct {
	// Client sends the requests; see [NewClient]. It should set no timeout
	// of its own.
	Client *http.Client
	// Interval is how often each target is scraped; 0 is DefaultInterval.
	Interval time.Duration
	// Timeout bounds a scrape, from connecting to the last byte; 0 is
	// MaxTimeout of the interval, and more than that is refused.
	Timeout time.Duration
	// MaxBody bounds a page in bytes, after decompression; 0 is DefaultMaxBody.
	MaxBody int64
	// MaxSamples bounds a page in samples; 0 is DefaultMaxSamples.
	MaxSamples int
	// Concurrency bounds the scrapes under way; 0 is DefaultConcurrency.
	// Half of them are for targets that hung the last time or are slow now,
	// so that those keep nobody waiting. Scrapes that turn slow are not cut
	// short for the bound: many at once exceed it until their deadline.
	Concurrency int
	// Sources are the tables that targets can name; nil is CubeWorker and
	// NodeExporter.
	Sources []Source
	// Now stamps readings; it is the clock that their age is reckoned by.
	Now func() scheduler.Instant
	// Sink takes each result. It is called concurrently, though never twice
	// at once for one target, and should return soon.
	Sink func(Result)
	Log  *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	limit := time.Duration(MaxTimeout * float64(c.Interval))
	if c.Timeout == 0 {
		c.Timeout = limit
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.MaxSamples == 0 {
		c.MaxSamples = DefaultMaxSamples
	}
	if c.Concurrency == 0 {
		c.Concurrency = DefaultConcurrency
	}
	if c.Sources == nil {
		c.Sources = []Source{CubeWorker(), NodeExporter()}
	}
	switch {
	case c.Client == nil || c.Now == nil || c.Sink == nil || c.Log == nil:
		return c, errors.New("scraping needs a client, a clock, a sink and a logger")
	case c.Interval < slots*time.Millisecond:
		return c, fmt.Errorf("a scrape interval of %s is too short", c.Interval)
	case c.Timeout < 0 || c.Timeout > limit:
		return c, fmt.Errorf("a scrape timeout of %s is not within %s, %v of the interval", c.Timeout, limit, MaxTimeout)
	case c.MaxBody < 0 || c.MaxSamples < 0 || c.Concurrency < 0:
		return c, errors.New("the limits of a scrape cannot be negative")
	}
	return c, nil
}

// Loop scrapes its targets, each once an interval, and hands every result to
// the sink. Its methods may be called concurrently.
type Loop struct {
	config  Config
	fetcher *fetcher
	sources map[string]*compiled
	metrics instruments
	// patience is how long a scrape may hold a place among the healthy.
	patience time.Duration
	pages    sync.Pool // of *scratch
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
	l.healthy.limit = max(1, config.Concurrency-l.suspect.limit)
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
