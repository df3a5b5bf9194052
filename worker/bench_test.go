package worker_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/bolt"
	"cube/worker/task"
	"cube/worker/workertest"
)

// What the worker itself adds to a start: from the call of Submit until the
// runtime is asked, one write to disk included; and until the task is recorded
// as running, two.
func BenchmarkStart(b *testing.B) {
	asked := make(chan time.Time, 1)
	runtime := workertest.NewRuntime()
	runtime.Fault = func(_ context.Context, method string, _ worker.Key) error {
		if method == "Start" {
			asked <- time.Now()
		}
		return nil
	}
	w := benchWorker(b, runtime)
	var untilAsked, untilRunning []time.Duration
	for b.Loop() {
		event := startOf(uuid.New(), 1)
		event.Task.Cpu, event.Task.Memory = 1e-9, 1
		began := time.Now()
		if _, _, err := w.Submit(b.Context(), event); err != nil {
			b.Fatal(err)
		}
		untilAsked = append(untilAsked, (<-asked).Sub(began))
		awaitState(b, w, event.Task.ID, task.Running)
		untilRunning = append(untilRunning, time.Since(began))
		b.StopTimer()
		runtime.Exit(keyOf(event.Task.ID, 1, 0), 0)
		awaitState(b, w, event.Task.ID, task.Completed)
		b.StartTimer()
	}
	b.ReportMetric(float64(median(untilAsked).Microseconds()), "p50-µs-to-runtime")
	b.ReportMetric(float64(median(untilRunning).Microseconds()), "p50-µs-to-running")
}

// A burst of a hundred tasks: writes are shared.
func BenchmarkBurstOf100(b *testing.B) {
	runtime := workertest.NewRuntime()
	w := benchWorker(b, runtime)
	for b.Loop() {
		ids := make([]uuid.UUID, 100)
		errs := make(chan error)
		for i := range ids {
			ids[i] = uuid.New()
			go func() {
				event := startOf(ids[i], 1)
				event.Task.Cpu, event.Task.Memory = 1e-9, 1
				_, _, err := w.Submit(b.Context(), event)
				errs <- err
			}()
		}
		for range ids {
			if err := <-errs; err != nil {
				b.Fatal(err)
			}
		}
		for _, id := range ids {
			awaitState(b, w, id, task.Running)
		}
		b.StopTimer()
		for _, id := range ids {
			runtime.Exit(keyOf(id, 1, 0), 0)
		}
		for _, id := range ids {
			awaitState(b, w, id, task.Completed)
		}
		b.StartTimer()
	}
}

// A list of a thousand tasks, as a manager reads it.
func BenchmarkSnapshotOf1000(b *testing.B) {
	store := workertest.NewStore()
	for range 1000 {
		event := startOf(uuid.New(), 1)
		event.Task.State = task.Completed
		event.Task.FinishTime = time.Now()
		if err := store.Save(worker.Record{Task: event.Task, Wanted: task.Running}); err != nil {
			b.Fatal(err)
		}
	}
	w, err := worker.New(b.Context(), worker.Config{Runtime: workertest.NewRuntime(), Store: store, Capacity: capacity})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if tasks, _ := w.Snapshot(all); len(tasks) != 1000 {
			b.Fatal(len(tasks))
		}
	}
}

func benchWorker(b *testing.B, runtime worker.Runtime) *worker.Worker {
	b.Helper()
	store, err := bolt.Open(filepath.Join(b.TempDir(), "worker.db"), time.Second)
	if err != nil {
		b.Fatal(err)
	}
	w, err := worker.New(b.Context(), worker.Config{Runtime: runtime, Store: store, Capacity: capacity})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	return w
}

// awaitState waits until a task is in a state.
func awaitState(tb testing.TB, w *worker.Worker, id uuid.UUID, want task.State) {
	tb.Helper()
	for {
		generation := w.Generation()
		got, err := w.Task(id)
		if err != nil {
			tb.Fatal(err)
		}
		if got.State == want {
			return
		}
		if err := w.Changed(tb.Context(), generation); err != nil {
			tb.Fatal(err)
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
