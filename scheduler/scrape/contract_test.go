//go:build linux

package scrape_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cube/collector"
	"cube/scheduler"
	"cube/scheduler/scrape"
	"cube/worker"
	"cube/worker/task"
	"cube/worker/workertest"
)

// The table of the source cube names what a worker really publishes: a metric
// renamed on one side only would otherwise go missing without a word.
func TestWorkersOwnPageHasEveryFigure(t *testing.T) {
	machine, err := collector.New(collector.Config{MinWindow: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = machine.Close() })
	w, err := worker.New(t.Context(), worker.Config{
		Runtime: workertest.NewRuntime(), Store: workertest.NewStore(),
		Capacity: func() (task.Resources, error) {
			return task.Resources{Cpu: 2, Memory: 1 << 30, Disk: 1 << 30}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	id := runTask(t, w)

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(machine, w.Collector())
	srv := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(srv.Close)
	r := readingOf(t, srv)
	for name, figure := range map[string]float64{
		"Clock": r.Clock, "CpuUsage": r.CpuUsage, "CpuWindow": r.CpuWindow, "CpuCores": r.CpuCores,
		"MemoryTotal": r.MemoryTotal, "MemoryAvailable": r.MemoryAvailable,
		"DiskTotal": r.DiskTotal, "DiskAvailable": r.DiskAvailable, "Load1": r.Load1,
		"AllocatableCpu": r.AllocatableCpu, "AllocatableMemory": r.AllocatableMemory, "AllocatableDisk": r.AllocatableDisk,
		"OvercommitCpu": r.OvercommitCpu, "TasksGeneration": r.TasksGeneration,
	} {
		if !scheduler.Known(figure) {
			t.Errorf("%s is absent", name)
		}
	}
	if len(r.Tasks) != 1 || r.Tasks[0].ID != id ||
		!scheduler.Known(r.Tasks[0].CpuSeconds) || !scheduler.Known(r.Tasks[0].MemoryBytes) || !scheduler.Known(r.Tasks[0].StartTime) {
		t.Errorf("got tasks %+v; want %s with all figures", r.Tasks, id)
	}
}

// readingOf scrapes the server until it publishes CPU usage, which needs two
// looks with a tick of the kernel between them.
func readingOf(t *testing.T, srv *httptest.Server) scheduler.Reading {
	t.Helper()
	results := make(chan scrape.Result)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	l, err := scrape.New(scrape.Config{
		Client: srv.Client(), Log: slog.New(slog.DiscardHandler),
		Now: func() scheduler.Instant { return scheduler.Instant(time.Since(began)) },
		Sink: func(r scrape.Result) {
			select {
			case results <- r:
			case <-ctx.Done():
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.SetTargets([]scrape.Target{{Node: "w1", URL: srv.URL}})
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for {
		select {
		case r := <-results:
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if scheduler.Known(r.Reading.CpuUsage) {
				return r.Reading
			}
			l.ScrapeNow("w1")
		case <-ctx.Done():
			t.Fatal("no reading with CPU usage came")
		}
	}
}

// runTask runs a task on the worker and returns its ID.
func runTask(t *testing.T, w *worker.Worker) uuid.UUID {
	t.Helper()
	event := task.Event{ID: uuid.New(), State: task.Running, Timestamp: time.Now(), Task: task.Task{
		ID: uuid.New(), Name: "web", State: task.Scheduled, Image: "web", Allocation: 1,
	}}
	if _, _, err := w.Submit(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	for {
		generation := w.Generation()
		got, err := w.Task(event.Task.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.State == task.Running {
			return event.Task.ID
		}
		if err := w.Changed(t.Context(), generation); err != nil {
			t.Fatal(err)
		}
	}
}
