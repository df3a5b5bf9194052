package manager

import (
	"context"
	"io"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"cube/scheduler"
	"cube/scheduler/scrape"
	"cube/worker/client"
	"cube/worker/task"
)

// Worker is what the manager needs of one worker: the client of its API. An
// error that the worker itself gave is a *wire.Error; with any other it is not
// known whether the worker acted.
type Worker interface {
	Submit(ctx context.Context, event task.Event) (*task.Task, error)
	// Stop ends this allocation of the task or an older one; one that the
	// worker never saw is fenced off.
	Stop(ctx context.Context, id uuid.UUID, allocation *uint64) error
	Tasks(ctx context.Context, query client.TasksQuery) (client.TasksAnswer, error)
	Logs(ctx context.Context, id uuid.UUID, query client.LogQuery) (io.ReadCloser, error)
}

// Scraper reads the nodes' metrics, each node in its turn, and hands every
// result to the sink it was made with.
type Scraper interface {
	prometheus.Collector
	SetTargets(targets []scrape.Target)
	// ScrapeNow reads a node soon, out of turn.
	ScrapeNow(node string)
	Run(ctx context.Context) error
}

// NewScraper makes the scraper of a manager. now is the manager's clock, on
// which readings are timed; sink may be called concurrently.
type NewScraper func(now func() scheduler.Instant, sink func(scrape.Result)) (Scraper, error)
