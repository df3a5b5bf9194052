package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/wire"
	"cube/worker/workertest"
)

var all = worker.Filter{}

func TestStopOfARunningTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		m.submit(startOf(id, 1))
		m.stop(id)
		got := m.settle(id)
		wantState(t, got, task.Completed) // whatever the exit code
		if got.ExitCode == nil || *got.ExitCode != 143 || got.Error != "" {
			t.Errorf("exit code %v, error %q; want 143 as it was, and no error", got.ExitCode, got.Error)
		}
		m.stop(id) // again: no error
		event := task.Event{ID: uuid.New(), State: task.Completed, Task: task.Task{ID: id}}
		if _, created, err := m.Submit(t.Context(), event); err != nil || created {
			t.Errorf("as an event: %v, %v", created, err)
		}
	})
}

func TestStopByEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		m.submit(startOf(id, 1))
		stop := task.Event{ID: uuid.New(), State: task.Completed, Task: task.Task{ID: id, Allocation: 1}}
		wantState(t, m.submit(stop), task.Completed)
		if got, _, err := m.Submit(t.Context(), stop); err != nil || got.State != task.Completed {
			t.Errorf("again: %v, %v", got, err)
		}
		stop.Task.Allocation = 2
		_, _, err := m.Submit(t.Context(), stop)
		wantCode(t, err, wire.CodeEventConflict)
	})
}

// Stops of ever newer allocations, which a broken manager might send, do not make
// a task's record grow for ever, and each still acts once.
func TestStopsOfEverNewerAllocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		stop := func(allocation uint64) task.Event {
			return task.Event{ID: uuid.New(), State: task.Completed, Task: task.Task{ID: id, Allocation: allocation}}
		}
		var last task.Event
		for allocation := range uint64(200) {
			last = stop(allocation + 1)
			if _, _, err := m.Submit(t.Context(), last); err != nil {
				t.Fatal(err)
			}
		}
		generation := m.Generation()
		if got, _, err := m.Submit(t.Context(), last); err != nil || got.State != task.Completed || m.Generation() != generation {
			t.Errorf("the last again: %v, %v, generation %d after %d", got, err, m.Generation(), generation)
		}
		_, _, err := m.Submit(t.Context(), startOf(id, 200))
		wantCode(t, err, wire.CodeIllegalTransition)
		records, err := m.store.Load()
		if err != nil || len(records) != 1 || records[0].Fence != 200 || len(records[0].Events) > 20 {
			t.Errorf("%v, %d records, the first with fence %d and %d events", err, len(records), records[0].Fence, len(records[0].Events))
		}
	})
}

// A start that takes long is given up when a stop comes in.
func TestStopDuringTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		runtime.Fault = func(ctx context.Context, method string, _ worker.Key) error {
			if method == "Start" {
				<-ctx.Done() // an image is being pulled, for ever
				return ctx.Err()
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		id := uuid.New()
		wantState(t, m.submit(startOf(id, 1)), task.Scheduled)
		m.stop(id)
		got := m.settle(id)
		wantState(t, got, task.Completed)
		if got.ExitCode != nil || len(runtime.Known()) != 0 {
			t.Errorf("exit code %v, runs %v; want none", got.ExitCode, runtime.Known())
		}
	})
}

// A start that has happened, before anybody knew, when the stop comes in.
func TestStopRacesTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		slow := &slowStart{Runtime: runtime}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = slow })
		id := uuid.New()
		if _, _, err := m.Submit(t.Context(), startOf(id, 1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(runtime.Running()) != 1 {
			t.Fatal("the run has not started")
		}
		m.stop(id)
		pass(time.Minute)
		wantState(t, m.settle(id), task.Completed)
		if running := runtime.Running(); len(running) != 0 {
			t.Errorf("still running: %v", running)
		}
	})
}

// slowStart starts a run, and says so a second later, come what may.
type slowStart struct{ *workertest.Runtime }

func (s *slowStart) Start(_ context.Context, key worker.Key, t *task.Task) (worker.Run, error) {
	run, err := s.Runtime.Start(context.Background(), key, t)
	pass(time.Second)
	return run, err
}

// The stop arrives first; the start that comes after is refused, also when the
// worker was restarted in between.
func TestStopBeforeTheStartWins(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted=%v", restarted), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, nil)
				id := uuid.New()
				if err := m.Stop(t.Context(), id, ptr(uint64(3))); err != nil {
					t.Fatal(err)
				}
				if restarted {
					m = m.reboot()
				}
				_, err := m.Task(id)
				wantCode(t, err, wire.CodeNotFound) // a tombstone is not listed
				_, _, err = m.Submit(t.Context(), startOf(id, 2))
				wantCode(t, err, wire.CodeStaleAllocation)
				_, _, err = m.Submit(t.Context(), startOf(id, 3))
				if wantCode(t, err, wire.CodeIllegalTransition); len(m.runtime.Starts()) != 0 || len(m.Tasks(all)) != 0 {
					t.Error("it was started")
				}
				wantState(t, m.submit(startOf(id, 4)), task.Running)
			})
		})
	}
}

func TestStopAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		var starting atomic.Int32
		runtime.Fault = func(ctx context.Context, method string, _ worker.Key) error {
			switch {
			case method == "Start" && starting.Add(1) > 5:
				<-ctx.Done()
				return ctx.Err()
			case method == "Stop":
				pass(3 * time.Second)
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		ids := make([]uuid.UUID, 8)
		for i := range ids {
			ids[i] = uuid.New()
			event := startOf(ids[i], 1)
			event.Task.RestartPolicy = task.RestartAlways
			m.submit(event)
		}
		began := time.Now()
		if err := m.StopAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v; want all at once, 3s", took)
		}
		for _, id := range ids {
			wantState(t, m.settle(id), task.Completed)
		}
		_, _, err := m.Submit(t.Context(), startOf(uuid.New(), 1))
		if wantCode(t, err, wire.CodeUnavailable); !strings.Contains(err.Error(), "drained") {
			t.Errorf("the refusal says %q", err)
		}
	})
}

// Never do two runs of a task go on at once: an old one that cannot be stopped
// holds the new one back.
func TestOldRunThatCannotBeStoppedHoldsTheNewOneBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		var stuck atomic.Bool
		stuck.Store(true)
		runtime.Fault = func(_ context.Context, method string, _ worker.Key) error {
			if method == "Stop" && stuck.Load() {
				return workertest.ErrInjected
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		id := uuid.New()
		m.submit(startOf(id, 1))
		wantState(t, m.submit(startOf(id, 2)), task.Scheduled)
		pass(time.Hour)
		wantState(t, m.settle(id), task.Scheduled)
		if running := runtime.Running(); len(running) != 1 || running[0] != keyOf(id, 1, 0) {
			t.Errorf("running: %v; want the old one only", running)
		}
		stuck.Store(false)
		pass(time.Minute)
		wantState(t, m.settle(id), task.Running)
		if running := runtime.Running(); len(running) != 1 || running[0] != keyOf(id, 2, 0) {
			t.Errorf("running: %v; want the new one only", running)
		}
	})
}
