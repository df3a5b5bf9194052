package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/wire"
	"cube/worker/workertest"
)

// The faults of the book's worker, as its readers found them, each as a test.

func TestDeleteOfUnknownTaskDoesNotPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		wantCode(t, m.Stop(t.Context(), uuid.New(), nil), wire.CodeNotFound)
		wantCode(t, m.Stop(t.Context(), uuid.Nil, nil), wire.CodeNotFound)
		_, _, err := m.Submit(t.Context(), task.Event{ID: uuid.New(), State: task.Completed, Task: task.Task{ID: uuid.New()}})
		wantCode(t, err, wire.CodeNotFound)
	})
}

func TestFailedStopIsNotRecordedAsCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		var broken atomic.Bool
		broken.Store(true)
		runtime.Fault = func(_ context.Context, method string, _ worker.Key) error {
			if method == "Stop" && broken.Load() {
				return errors.New("the engine hangs")
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		id := uuid.New()
		m.submit(startOf(id, 1))
		m.stop(id)
		got := m.settle(id)
		wantState(t, got, task.Running)
		if !strings.Contains(got.Error, "could not be stopped: the engine hangs") || m.Allocated().Cpu == 0 {
			t.Errorf("error %q, allocated %+v", got.Error, m.Allocated())
		}
		pass(time.Hour)
		wantState(t, m.settle(id), task.Running)
		broken.Store(false)
		pass(time.Minute) // it was being tried again all the while
		wantState(t, m.settle(id), task.Completed)
	})
}

func TestTransitionsAreEnforced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		m.finish(id)
		_, _, err := m.Submit(t.Context(), startOf(id, 1)) // completed → scheduled once reached Docker
		wantCode(t, err, wire.CodeIllegalTransition)
		e := wire.AsError(err)
		if e.HTTPStatusCode != 409 || !strings.Contains(e.Message, "completed") || !strings.Contains(e.Message, "running") {
			t.Errorf("it says %d %q; want 409 and both states", e.HTTPStatusCode, e.Message)
		}
		if n := m.runtime.StartsOf(id); n != 1 {
			t.Errorf("started %d times", n)
		}
	})
}

func TestEmptyListIsNotNull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		for _, filter := range []worker.Filter{all, {States: []task.State{task.Failed}}} {
			if text, err := json.Marshal(m.Tasks(filter)); err != nil || string(text) != "[]" {
				t.Errorf("an empty list is %s, %v", text, err)
			}
		}
	})
}

// The queue was not kept: after a restart a stop was sent as new work.
func TestQueuedStopSurvivesRestartAsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		var stuck atomic.Bool
		stuck.Store(true)
		runtime.Fault = func(ctx context.Context, method string, _ worker.Key) error {
			if method == "Stop" && stuck.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		id := uuid.New()
		m.submit(startOf(id, 1))
		m.stop(id)
		wantState(t, m.settle(id), task.Running)
		m.kill() // the stop was accepted, and has not come about
		stuck.Store(false)
		m = m.reboot()
		wantState(t, m.settle(id), task.Completed)
		if n := runtime.StartsOf(id); n != 1 || len(runtime.Running()) != 0 {
			t.Errorf("started %d times, still running: %v", n, runtime.Running())
		}
	})
}

func TestQueuedStartSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		var stuck atomic.Bool
		stuck.Store(true)
		runtime.Fault = func(ctx context.Context, method string, _ worker.Key) error {
			if method == "Start" && stuck.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		var ids []uuid.UUID
		for range 12 {
			ids = append(ids, uuid.New())
			m.submit(startOf(ids[len(ids)-1], 1))
		}
		m.kill()
		stuck.Store(false)
		m = m.reboot()
		for _, id := range ids {
			wantState(t, m.settle(id), task.Running)
		}
		if n := len(runtime.Starts()); n != len(ids) {
			t.Errorf("%d runs of %d tasks", n, len(ids))
		}
	})
}

func TestTaskCountIsNotAlwaysZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		m.submit(startOf(uuid.New(), 1))
		m.submit(startOf(uuid.New(), 1))
		if n := len(m.Tasks(worker.Filter{States: []task.State{task.Running}})); n != 2 {
			t.Errorf("%d tasks run; want 2", n)
		}
		const want = "# HELP cube_tasks Tasks on this worker by state.\n# TYPE cube_tasks gauge\n" +
			"cube_tasks{state=\"completed\"} 0\ncube_tasks{state=\"failed\"} 0\ncube_tasks{state=\"pending\"} 0\n" +
			"cube_tasks{state=\"running\"} 2\ncube_tasks{state=\"scheduled\"} 0\n"
		if err := testutil.CollectAndCompare(m.Collector(), strings.NewReader(want), "cube_tasks"); err != nil {
			t.Error(err)
		}
	})
}

// What the caller gets is the caller's: the maps and slices were shared.
func TestListsShareNothingWithTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		event := startOf(uuid.New(), 1)
		event.Task.Env = []string{"A=1"}
		event.Task.ExposedPorts = map[string]struct{}{"80/tcp": {}}
		m.submit(event)
		event.Task.Env[0] = "A=changed by the caller"
		for range 2 {
			got := m.Tasks(all)[0]
			if got.Env[0] != "A=1" || len(got.ExposedPorts) != 1 {
				t.Fatalf("it was changed from outside: %+v", got)
			}
			got.Env[0], got.State = "A=2", task.Failed
			clear(got.ExposedPorts)
		}
	})
}

// A state that is none was accepted.
func TestState99IsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		event := startOf(uuid.New(), 1)
		event.State = 99
		_, _, err := m.Submit(t.Context(), event)
		wantCode(t, err, wire.CodeInvalid)
		if slices.Contains([]int{len(m.Tasks(all)), len(m.runtime.Starts())}, 1) {
			t.Error("it was acted on")
		}
	})
}
