package manager_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"cube/scheduler"
	"cube/scheduler/bolt"
	"cube/scheduler/manager"
	"cube/scheduler/policy"
	"cube/scheduler/scrape"
	"cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// instantWorker runs what it is given, at once.
type instantWorker struct {
	mu         sync.Mutex
	tasks      []*task.Task
	generation uint64
	running    *sync.WaitGroup // told of each task
}

func (w *instantWorker) Submit(_ context.Context, event task.Event) (*task.Task, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := event.Task
	t.State = task.Running
	w.tasks = append(w.tasks, &t)
	w.generation++
	w.running.Done()
	return t.Clone(), nil
}

func (w *instantWorker) Stop(context.Context, uuid.UUID, *uint64) error { return nil }

func (w *instantWorker) Tasks(ctx context.Context, q client.TasksQuery) (client.TasksAnswer, error) {
	if q.Wait > 0 {
		<-ctx.Done()
		return client.TasksAnswer{}, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return client.TasksAnswer{Tasks: slices.Clone(w.tasks), Generation: w.generation}, nil
}

func (w *instantWorker) Logs(context.Context, uuid.UUID, client.LogQuery) (io.ReadCloser, error) {
	return nil, io.EOF
}

// bigMachines reads every new target once, as a machine with a lot of room.
type bigMachines struct {
	now   func() scheduler.Instant
	sink  func(scrape.Result)
	nodes chan string
	known sync.Map
}

func (s *bigMachines) SetTargets(targets []scrape.Target) {
	for _, target := range targets {
		if _, known := s.known.LoadOrStore(target.Node, true); !known {
			s.nodes <- target.Node
		}
	}
}

func (s *bigMachines) ScrapeNow(node string) { s.nodes <- node }

func (s *bigMachines) Run(ctx context.Context) error {
	for {
		select {
		case node := <-s.nodes:
			s.sink(scrape.Result{Node: node, Reading: scheduler.Reading{
				Node: node, At: s.now(), Clock: float64(time.Now().Unix()), CpuUsage: 0.1, CpuWindow: 15, CpuCores: 1e6, Load1: 1,
				MemoryTotal: 1 << 50, MemoryAvailable: 1 << 50, DiskTotal: 1 << 50, DiskAvailable: 1 << 50,
				AllocatableCpu: 1e6, AllocatableMemory: 1 << 50, AllocatableDisk: 1 << 50,
				OvercommitCpu: 2, TasksGeneration: scheduler.Absent(),
			}})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *bigMachines) Describe(chan<- *prometheus.Desc) {}

func (s *bigMachines) Collect(chan<- prometheus.Metric) {}

// BenchmarkSubmitToRunning is the whole way of a task without HTTP: accepted on
// disk, decided on, the decision on disk, handed over and acknowledged, over a
// thousand nodes and 64 clients at a time.
func BenchmarkSubmitToRunning(b *testing.B) {
	const nodes, clients = 1000, 64
	store, err := bolt.Open(filepath.Join(b.TempDir(), "manager.db"), time.Second)
	if err != nil {
		b.Fatal(err)
	}
	ranked, err := policy.New("measured")
	if err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	m, err := manager.New(manager.Config{
		Store: store, Scheduler: scheduler.Config{Policy: ranked, StaleAfter: time.Hour, DownAfter: time.Hour},
		NewWorker: func(string) (manager.Worker, error) { return &instantWorker{running: &running}, nil },
		NewScraper: func(now func() scheduler.Instant, sink func(scrape.Result)) (manager.Scraper, error) {
			return &bigMachines{now: now, sink: sink, nodes: make(chan string, nodes)}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	var joined sync.WaitGroup
	for i := range nodes {
		joined.Go(func() {
			if _, err := m.Join(ctx, wire.Join{URL: fmt.Sprintf("http://node-%d:1", i)}); err != nil {
				b.Error(err)
			}
		})
	}
	joined.Wait()
	b.ResetTimer()
	running.Add(b.N)
	var group sync.WaitGroup
	next := make(chan struct{}, clients)
	for range clients {
		group.Go(func() {
			for range next {
				if _, _, err := m.Submit(ctx, &task.Task{Command: []string{"true"}, Cpu: 0.1, Memory: 1 << 20}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for range b.N {
		next <- struct{}{}
	}
	close(next)
	group.Wait()
	running.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	if err := store.Close(); err != nil {
		b.Error(err)
	}
}
