package scrape

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

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
