package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"cube/scheduler/client"
	"cube/worker/wire"
)

// A worker makes itself known to its manager when it starts, trying ever less
// often until it succeeds, and again every rejoinEvery: a manager that lost its
// store, or forgot the node, gets it back. Joining twice changes nothing.
const (
	firstRetry  = 250 * time.Millisecond
	slowestJoin = 15 * time.Second
	rejoinEvery = time.Minute
)

// joiner joins one manager.
type joiner struct {
	manager *client.Client
	self    wire.Join
	log     *slog.Logger
	// after is how long to wait before the first time: until the CPU usage
	// has a window, so that the first reading is a whole one.
	after time.Duration
}

func newJoiner(managerURL, httpConfig string, self wire.Join, after time.Duration, log *slog.Logger) (*joiner, error) {
	transport, err := roundTripper(httpConfig, "", "cube-worker")
	if err != nil {
		return nil, err
	}
	manager, err := client.New(managerURL, &http.Client{Transport: transport})
	if err != nil {
		return nil, err
	}
	return &joiner{manager: manager, self: self, after: after, log: log.With("manager", managerURL)}, nil
}

// Run joins and re-joins until ctx ends.
func (j *joiner) Run(ctx context.Context) error {
	wait, joined := firstRetry, false
	for next := j.after; ; next = j.attempt(ctx, &joined, &wait) {
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// attempt joins once and returns how long to wait before the next time.
func (j *joiner) attempt(ctx context.Context, joined *bool, wait *time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, slowestJoin)
	defer cancel()
	node, err := j.manager.Join(ctx, j.self)
	if err != nil {
		if *joined || *wait == firstRetry {
			j.log.Warn("cannot join the manager, trying on", "err", err)
		}
		*joined = false
		next := *wait
		*wait = min(2**wait, slowestJoin)
		return next
	}
	if !*joined {
		j.log.Info("joined the manager", "node", node.Name)
	}
	*joined, *wait = true, firstRetry
	return rejoinEvery
}
