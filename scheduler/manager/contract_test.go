package manager_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cube/scheduler"
	schedulerapi "cube/scheduler/api"
	schedulerbolt "cube/scheduler/bolt"
	schedulerclient "cube/scheduler/client"
	"cube/scheduler/manager"
	"cube/scheduler/policy"
	"cube/scheduler/scrape"
	"cube/worker"
	workerapi "cube/worker/api"
	workerbolt "cube/worker/bolt"
	workerclient "cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// idleRuntime runs tasks that do nothing until they are stopped.
type idleRuntime struct {
	mu   sync.Mutex
	runs map[worker.Key]*idleRun
}

type idleRun struct {
	run   worker.Run
	ended chan struct{}
}

func (r *idleRuntime) get(key worker.Key) *idleRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[key]
}

func (r *idleRuntime) Name() string { return "idle" }

func (r *idleRuntime) Start(_ context.Context, key worker.Key, _ *task.Task) (worker.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have := r.runs[key]; have != nil {
		return have.run, nil
	}
	made := &idleRun{run: worker.Run{Key: key, Handle: "idle", StartTime: time.Now()}, ended: make(chan struct{})}
	r.runs[key] = made
	return made.run, nil
}

func (r *idleRuntime) Wait(ctx context.Context, key worker.Key) (worker.Exit, error) {
	run := r.get(key)
	if run == nil {
		return worker.Exit{}, worker.ErrUnknownRun
	}
	select {
	case <-run.ended:
		r.mu.Lock()
		defer r.mu.Unlock()
		return *run.run.Exit, nil
	case <-ctx.Done():
		return worker.Exit{}, ctx.Err()
	}
}

func (r *idleRuntime) Stop(_ context.Context, key worker.Key, _ time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.runs[key]; run != nil && run.run.Exit == nil {
		code := 143
		run.run.Exit = &worker.Exit{Code: &code, Time: time.Now()}
		close(run.ended)
	}
	return nil
}

func (r *idleRuntime) Remove(_ context.Context, key worker.Key) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.runs, key)
	return nil
}

func (r *idleRuntime) Logs(context.Context, worker.Key, worker.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("a line\n")), nil
}

func (r *idleRuntime) Usage(context.Context, worker.Key) (worker.Usage, error) {
	return worker.Usage{CpuSeconds: 1, MemoryBytes: 1 << 20}, nil
}

func (r *idleRuntime) List(context.Context) ([]worker.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var runs []worker.Run
	for _, run := range r.runs {
		runs = append(runs, run.run)
	}
	return runs, nil
}

func (r *idleRuntime) Close() error { return nil }

// machine is the metrics of a machine that a worker would export.
func machine() prometheus.Collector {
	figures := map[string]float64{
		"cube_cpu_usage_ratio": 0.1, "cube_cpu_usage_window_seconds": 15, "cube_cpu_cores": 4,
		"cube_memory_total_bytes": 8 << 30, "cube_memory_available_bytes": 6 << 30, "cube_load1": 0.2,
	}
	gauges := prometheus.NewRegistry()
	for name, value := range figures {
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "A figure."})
		gauge.Set(value)
		gauges.MustRegister(gauge)
	}
	for name, value := range map[string]float64{"cube_disk_total_bytes": 100 << 30, "cube_disk_available_bytes": 50 << 30} {
		gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: "A figure."}, []string{"mountpoint", "device", "fstype"})
		gauge.WithLabelValues("/", "/dev/sda1", "ext4").Set(value)
		gauges.MustRegister(gauge)
	}
	clock := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cube_time_seconds", Help: "The clock."},
		func() float64 { return float64(time.Now().UnixNano()) / 1e9 })
	gauges.MustRegister(clock)
	return gauges
}

// run keeps a long-running thing until the test ends or stop is called.
func run(t *testing.T, body func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- body(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// startWorker starts a real worker behind its real API and returns its URL.
func startWorker(t *testing.T, runtime *idleRuntime) string {
	t.Helper()
	store, err := workerbolt.Open(filepath.Join(t.TempDir(), "worker.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w, err := worker.New(t.Context(), worker.Config{
		Runtime: runtime, Store: store, Log: slog.New(slog.DiscardHandler),
		Capacity: func() (task.Resources, error) {
			return task.Resources{Cpu: 4, Memory: 8 << 30, Disk: 100 << 30}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, w.Run)
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.Collector(), machine())
	mux := http.NewServeMux()
	mux.Handle("/", workerapi.New(workerapi.Config{Worker: w, Stats: func() (any, error) { return struct{}{}, nil }}))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	return server.URL
}

// startManager starts a manager on the store's file and returns its client.
func startManager(t *testing.T, path string) (*schedulerclient.Client, *manager.Manager, func()) {
	t.Helper()
	store, err := schedulerbolt.Open(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ranked, err := policy.New("epvm")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	m, err := manager.New(manager.Config{
		Store: store, Scheduler: scheduler.Config{Policy: ranked}, Log: log,
		NewWorker: func(baseURL string) (manager.Worker, error) { return workerclient.New(baseURL, nil) },
		NewScraper: func(now func() scheduler.Instant, sink func(scrape.Result)) (manager.Scraper, error) {
			return scrape.New(scrape.Config{Client: new(http.Client), Now: now, Sink: sink, Log: log})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, m.Run)
	server := httptest.NewServer(schedulerapi.New(schedulerapi.Config{Manager: m}))
	client, err := schedulerclient.New(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		stop()
		server.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return client, m, end
}

// until waits for the task to come into the state, woken by its changes.
func until(t *testing.T, m *manager.Manager, id uuid.UUID, state task.State) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		from := m.Version()
		placed, err := m.Task(id)
		if err != nil {
			t.Fatal(err)
		}
		if placed.State == state {
			return
		}
		if _, _, _, err := m.Changes(ctx, from, time.Minute); err != nil {
			t.Fatalf("the task stays %s on %q (%s), want %s", placed.State, placed.Node, placed.PendingReason, state)
		}
	}
}

// The whole life of a task over real HTTP, with a real worker, a real scrape
// and real files.
func TestManagerAndWorkerMeanTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manager.db")
	runtime := &idleRuntime{runs: map[worker.Key]*idleRun{}}
	url := startWorker(t, runtime)
	client, m, stop := startManager(t, path)
	ctx := t.Context()

	first, err := client.Submit(ctx, &task.Task{Name: "first", Command: []string{"idle"}, Memory: 5 << 30, Env: []string{"A=b"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Nodes(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, m, first.ID, task.Pending)
	if _, err := m.Join(ctx, wire.Join{URL: url, Name: "one"}); err != nil {
		t.Fatal(err)
	}
	until(t, m, first.ID, task.Running)
	decision, err := client.Decision(ctx, first.ID)
	if err != nil || decision.Node != "one" || decision.Policy != "epvm" {
		t.Errorf("the decision is %+v, %v", decision, err)
	}
	output, err := client.Logs(ctx, first.ID, schedulerclient.LogQuery{Tail: -1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(output)
	if err := errors.Join(err, output.Close()); err != nil || string(text) != "a line\n" {
		t.Errorf("the output is %q, %v", text, err)
	}

	second, err := client.Submit(ctx, &task.Task{Name: "second", Command: []string{"idle"}, Memory: 5 << 30})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	client, m, _ = startManager(t, path)
	until(t, m, first.ID, task.Running)
	if placed, err := client.Task(ctx, second.ID); err != nil || placed.State != task.Pending {
		t.Errorf("the second task, for which there is no room, is %s, %v", placed.State, err)
	}
	if err := client.Stop(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	until(t, m, first.ID, task.Completed)
	// What the first has left, the second takes.
	until(t, m, second.ID, task.Running)
	if err := client.Stop(ctx, second.ID); err != nil {
		t.Fatal(err)
	}
	until(t, m, second.ID, task.Completed)
	tasks, err := client.Tasks(ctx)
	if err != nil || len(tasks) != 2 || tasks[0].ID != first.ID {
		t.Errorf("the tasks are %+v, %v", tasks, err)
	}
}
