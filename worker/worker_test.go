package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/wire"
	"cube/worker/workertest"
)

// machine is a worker that runs, and what it is made of.
type machine struct {
	*worker.Worker
	t       *testing.T
	runtime *workertest.Runtime
	store   *workertest.Store
	kill    func() // ends Run and waits for it
}

// capacity is what the machine of most tests has.
func capacity() (task.Resources, error) {
	return task.Resources{Cpu: 4, Memory: 8 << 30, Disk: 100 << 30}, nil
}

// boot starts a worker in the test's bubble; it ends with the test. What edit
// leaves unset has defaults.
func boot(t *testing.T, edit func(*worker.Config)) *machine {
	t.Helper()
	m := &machine{t: t, runtime: workertest.NewRuntime(), store: workertest.NewStore()}
	cfg := worker.Config{Runtime: m.runtime, Store: m.store, Capacity: capacity, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if edit != nil {
		edit(&cfg)
	}
	if r, ok := cfg.Runtime.(*workertest.Runtime); ok {
		m.runtime = r
	}
	if s, ok := cfg.Store.(*workertest.Store); ok {
		m.store = s
	}
	w, err := worker.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.Worker = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	m.kill = func() { cancel(); <-done }
	t.Cleanup(m.kill)
	return m
}

// reboot ends the worker and starts another one on what it left.
func (m *machine) reboot() *machine {
	m.t.Helper()
	m.kill()
	return boot(m.t, func(cfg *worker.Config) { cfg.Runtime, cfg.Store = m.runtime, m.store })
}

// pass lets the bubble's time pass, which takes none.
func pass(d time.Duration) { <-time.After(d) }

// startOf is an event that starts a task that only has an ID.
func startOf(id uuid.UUID, allocation uint64) task.Event {
	return task.Event{ID: uuid.New(), State: task.Running, Task: task.Task{
		ID: id, Command: []string{"serve"}, Cpu: 0.5, Memory: 64 << 20, Allocation: allocation,
	}}
}

// submit hands an event in and lets everything that follows happen.
func (m *machine) submit(event task.Event) *task.Task {
	m.t.Helper()
	if _, _, err := m.Submit(m.t.Context(), event); err != nil {
		m.t.Fatalf("submit %v: %v", event.Task.ID, err)
	}
	return m.settle(event.Task.ID)
}

// settle waits until nothing moves and returns the task.
func (m *machine) settle(id uuid.UUID) *task.Task {
	m.t.Helper()
	synctest.Wait()
	got, err := m.Task(id)
	if err != nil {
		m.t.Fatal(err)
	}
	return got
}

func (m *machine) stop(id uuid.UUID) {
	m.t.Helper()
	if err := m.Stop(m.t.Context(), id, nil); err != nil {
		m.t.Fatalf("stop %v: %v", id, err)
	}
}

func wantState(t *testing.T, got *task.Task, want task.State) {
	t.Helper()
	if got.State != want {
		t.Fatalf("the task is %s (error %q); want %s", got.State, got.Error, want)
	}
}

func wantCode(t *testing.T, err error, want wire.Code) {
	t.Helper()
	if err == nil || wire.AsError(err).Code != want {
		t.Fatalf("got %v; want the code %s", err, want)
	}
}

func keyOf(id uuid.UUID, allocation uint64, restart int) worker.Key {
	return worker.Key{Task: id, Allocation: allocation, Restart: restart}
}

func ptr[T any](v T) *T { return &v }

func TestTaskRunsAndEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*workertest.Runtime, worker.Key)
		want task.State
		code *int
		text string
	}{
		"exit 0":   {func(r *workertest.Runtime, k worker.Key) { r.Exit(k, 0) }, task.Completed, ptr(0), ""},
		"exit 3":   {func(r *workertest.Runtime, k worker.Key) { r.Exit(k, 3) }, task.Failed, ptr(3), "exited with code 3"},
		"OOM":      {func(r *workertest.Runtime, k worker.Key) { r.Kill(k) }, task.Failed, ptr(137), "killed for want of memory; its limit is 64MiB"},
		"vanished": {func(r *workertest.Runtime, k worker.Key) { r.Vanish(k) }, task.Failed, nil, "its run is gone; how it ended is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, nil)
				id := uuid.New()
				got := m.submit(startOf(id, 1))
				wantState(t, got, task.Running)
				if got.StartTime.IsZero() || got.ContainerID == "" || got.ExitCode != nil {
					t.Errorf("a running task: %+v", got)
				}
				pass(time.Minute)
				test.end(m.runtime, keyOf(id, 1, 0))
				got = m.settle(id)
				wantState(t, got, test.want)
				if got.Error != test.text || (got.ExitCode == nil) != (test.code == nil) || (test.code != nil && *got.ExitCode != *test.code) {
					t.Errorf("exit code %v, error %q; want %v, %q", got.ExitCode, got.Error, test.code, test.text)
				}
				if ran := got.FinishTime.Sub(got.StartTime); ran != time.Minute {
					t.Errorf("it ran for %v; want 1m", ran)
				}
				if m.Allocated() != (task.Resources{}) {
					t.Errorf("an ended task still holds %+v", m.Allocated())
				}
			})
		})
	}
}

func TestStartsAtOnceAndInParallelWithinABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		slow := make(chan struct{}, 100)
		runtime.Fault = func(_ context.Context, method string, _ worker.Key) error {
			if method == "Start" {
				slow <- struct{}{}
				if len(slow) > 4 {
					t.Errorf("%d starts at once; the bound is 4", len(slow))
				}
				pass(time.Second)
				<-slow
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime, cfg.MaxStarts = runtime, 4 })
		began := time.Now()
		for range 20 {
			event := startOf(uuid.New(), 1)
			event.Task.Cpu = 0.1
			if _, _, err := m.Submit(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		}
		for {
			generation := m.Generation()
			if len(m.Tasks(worker.Filter{States: []task.State{task.Running}})) == 20 {
				break
			}
			if err := m.Changed(t.Context(), generation); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("20 starts of 1 s, 4 at a time, took %v; want 5s", took)
		}
	})
}

func TestGenerationGrowsAndWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		before := m.Generation()
		woken := make(chan time.Duration)
		began := time.Now()
		go func() {
			if err := m.Changed(t.Context(), before); err != nil {
				t.Error(err)
			}
			woken <- time.Since(began)
		}()
		pass(time.Hour)
		m.submit(startOf(uuid.New(), 1))
		if after := <-woken; after != time.Hour {
			t.Errorf("woken after %v; want the moment of the change, 1h", after)
		}
		if m.Generation() <= before {
			t.Errorf("generation %d after %d", m.Generation(), before)
		}

		if err := m.Changed(t.Context(), m.Generation()+1e6); err != nil {
			t.Errorf("a generation of another life: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Changed(ctx, m.Generation()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a change: %v; want the deadline", err)
		}
		last := m.Generation()
		if next := m.reboot(); next.Generation() <= last {
			t.Errorf("generation %d after a restart; was %d", next.Generation(), last)
		}
	})
}

func TestChangedEndsWithTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		done := make(chan error)
		go func() { done <- m.Changed(t.Context(), m.Generation()) }()
		synctest.Wait()
		m.kill()
		wantCode(t, <-done, wire.CodeUnavailable)
		_, _, err := m.Submit(t.Context(), startOf(uuid.New(), 1))
		wantCode(t, err, wire.CodeUnavailable)
	})
}

func TestConfigIsChecked(t *testing.T) {
	good := worker.Config{Runtime: workertest.NewRuntime(), Store: workertest.NewStore(), Capacity: capacity}
	for name, spoil := range map[string]func(*worker.Config){
		"no runtime":       func(c *worker.Config) { c.Runtime = nil },
		"no store":         func(c *worker.Config) { c.Store = nil },
		"no capacity":      func(c *worker.Config) { c.Capacity = nil },
		"overcommit":       func(c *worker.Config) { c.OvercommitCpu = -1 },
		"negative reserve": func(c *worker.Config) { c.Reserve.Memory = -1 },
		"negative size":    func(c *worker.Config) { c.CapacityOverride.Cpu = -1 },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := worker.New(t.Context(), cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := worker.New(t.Context(), good); err != nil {
		t.Errorf("a good one: %v", err)
	}
}
