package worker_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

func TestSameEventActsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		event := startOf(uuid.New(), 1)
		m.submit(event)

		again := event
		again.Timestamp = time.Now()
		again.Task.State = task.Running // what has become of it is not part of the request
		got, created, err := m.Submit(t.Context(), again)
		if err != nil || created || got.State != task.Running {
			t.Fatalf("again: %+v, %v, %v", got, created, err)
		}
		m.runtime.Exit(keyOf(event.Task.ID, 1, 0), 0)
		wantState(t, m.settle(event.Task.ID), task.Completed)
		if _, created, err = m.Submit(t.Context(), event); err != nil || created {
			t.Errorf("after the end: %v, %v", created, err)
		}
		m = m.reboot()
		if _, created, err = m.Submit(t.Context(), event); err != nil || created {
			t.Errorf("after a restart of the worker: %v, %v", created, err)
		}
		if n := m.runtime.StartsOf(event.Task.ID); n != 1 {
			t.Errorf("it was started %d times", n)
		}
	})
}

func TestSameEventWithAnotherBodyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		event := startOf(uuid.New(), 1)
		m.submit(event)
		for name, change := range map[string]func(*task.Event){
			"more memory":     func(e *task.Event) { e.Task.Memory++ },
			"another task":    func(e *task.Event) { e.Task.ID = uuid.New() },
			"another state":   func(e *task.Event) { e.State = task.Completed },
			"new allocation":  func(e *task.Event) { e.Task.Allocation++ },
			"another command": func(e *task.Event) { e.Task.Command = []string{"other"} },
			"a new event, same allocation, another body": func(e *task.Event) { e.ID = uuid.New(); e.Task.Cpu = 1 },
		} {
			other := event
			other.Task = *event.Task.Clone()
			change(&other)
			_, _, err := m.Submit(t.Context(), other)
			if wire.AsError(err).Code != wire.CodeEventConflict {
				t.Errorf("%s: %v; want event_conflict", name, err)
			}
		}
		if n := len(m.runtime.Starts()); n != 1 || len(m.Tasks(all)) != 1 {
			t.Errorf("%d runs started, %d tasks", n, len(m.Tasks(all)))
		}
	})
}

func TestNewEventForTheSameAllocationActsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		event := startOf(uuid.New(), 1)
		m.submit(event)
		event.ID = uuid.New()
		if _, created, err := m.Submit(t.Context(), event); err != nil || created {
			t.Errorf("got %v, %v; want the task that is there", created, err)
		}
		event.ID = uuid.Nil // curl needs no event ID
		if _, created, err := m.Submit(t.Context(), event); err != nil || created {
			t.Errorf("without an event ID: %v, %v", created, err)
		}
		if n := len(m.runtime.Starts()); n != 1 {
			t.Errorf("%d runs started", n)
		}
	})
}

func TestTaskWithoutIDIsGivenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		event := startOf(uuid.Nil, 0)
		first, created, err := m.Submit(t.Context(), event)
		if err != nil || !created || first.ID == uuid.Nil {
			t.Fatalf("got %+v, %v, %v", first, created, err)
		}
		second, created, err := m.Submit(t.Context(), event)
		if err != nil || created || second.ID != first.ID {
			t.Errorf("the same event again: %+v, %v, %v; want task %v", second, created, err, first.ID)
		}
		event.ID = uuid.Nil
		third, created, err := m.Submit(t.Context(), event)
		if err != nil || !created || third.ID == first.ID {
			t.Errorf("without an event ID: %+v, %v, %v; want a new task", third, created, err)
		}
	})
}

func TestAllocationsFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		m.submit(startOf(id, 2))
		_, _, err := m.Submit(t.Context(), startOf(id, 1))
		wantCode(t, err, wire.CodeStaleAllocation)
		wantCode(t, m.Stop(t.Context(), id, ptr(uint64(1))), wire.CodeStaleAllocation)
		wantState(t, m.settle(id), task.Running)

		// A newer allocation takes the place of the running one, which is
		// stopped before and swept away after.
		got := m.submit(startOf(id, 3))
		wantState(t, got, task.Running)
		if running := m.runtime.Running(); len(running) != 1 || running[0] != keyOf(id, 3, 0) {
			t.Errorf("running: %v; want allocation 3 only", running)
		}
		if known := m.runtime.Known(); len(known) != 1 {
			t.Errorf("left on the machine: %v", known)
		}
		if want := (task.Resources{Cpu: 0.5, Memory: 64 << 20}); m.Allocated() != want {
			t.Errorf("allocated %+v; want %+v, once", m.Allocated(), want)
		}

		// A stop of a still newer one fences that off too.
		if err := m.Stop(t.Context(), id, ptr(uint64(5))); err != nil {
			t.Fatal(err)
		}
		wantState(t, m.settle(id), task.Completed)
		_, _, err = m.Submit(t.Context(), startOf(id, 4))
		wantCode(t, err, wire.CodeStaleAllocation)
		_, _, err = m.Submit(t.Context(), startOf(id, 5))
		wantCode(t, err, wire.CodeIllegalTransition)
		wantState(t, m.submit(startOf(id, 6)), task.Running)
	})
}

func TestEventsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		good := startOf(uuid.New(), 1)
		for name, test := range map[string]struct {
			spoil func(*task.Event)
			field string
		}{
			"pending wanted":     {func(e *task.Event) { e.State = task.Pending }, "State"},
			"failed wanted":      {func(e *task.Event) { e.State = task.Failed }, "State"},
			"nothing to run":     {func(e *task.Event) { e.Task.Command = nil }, "Command"},
			"negative CPU":       {func(e *task.Event) { e.Task.Cpu = -1 }, "Cpu"},
			"stop of nothing":    {func(e *task.Event) { e.State = task.Completed; e.Task.ID = uuid.Nil }, "Task.ID"},
			"check of no port":   {func(e *task.Event) { e.Task.HealthCheck = &task.HealthCheck{HTTP: "/"} }, "HealthCheck"},
			"check of udp":       {func(e *task.Event) { e.Task.HealthCheck = &task.HealthCheck{TCP: true, Port: "53/udp"} }, "HealthCheck"},
			"check by a command": {func(e *task.Event) { e.Task.HealthCheck = &task.HealthCheck{Command: []string{"true"}} }, "HealthCheck"},
		} {
			event := good
			event.Task = *good.Task.Clone()
			test.spoil(&event)
			_, _, err := m.Submit(t.Context(), event)
			if e := wire.AsError(err); e.Code != wire.CodeInvalid || e.Field != test.field {
				t.Errorf("%s: %v (%+v); want invalid, field %s", name, err, e, test.field)
			}
		}
		if len(m.Tasks(all)) != 0 {
			t.Errorf("tasks: %v; want none", m.Tasks(all))
		}
	})
}

func TestNothingChangesWhereTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		kept := startOf(uuid.New(), 1)
		m.submit(kept)
		before := m.Generation()
		m.store.Break(errors.New("no space left on device"))
		event := startOf(uuid.New(), 1)
		_, _, err := m.Submit(t.Context(), event)
		wantCode(t, err, wire.CodeUnavailable)
		wantCode(t, m.Stop(t.Context(), kept.Task.ID, nil), wire.CodeUnavailable)
		synctest.Wait()
		if m.Generation() != before || len(m.Tasks(all)) != 1 || len(m.runtime.Running()) != 1 {
			t.Errorf("something changed: %v", m.Tasks(all))
		}
		if want := (task.Resources{Cpu: 0.5, Memory: 64 << 20}); m.Allocated() != want {
			t.Errorf("allocated %+v; want %+v", m.Allocated(), want)
		}
		m.store.Break(nil)
		wantState(t, m.submit(event), task.Running) // the event was not acted on
	})
}

func TestWhatHappensIsWrittenOnceTheStoreIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		event := startOf(uuid.New(), 1)
		m.submit(event)
		m.store.Break(errors.New("no space left on device"))
		m.runtime.Exit(keyOf(event.Task.ID, 1, 0), 7)
		wantState(t, m.settle(event.Task.ID), task.Running) // nobody is shown what is not on disk
		pass(time.Minute)
		m.store.Break(nil)
		pass(time.Minute)
		got := m.settle(event.Task.ID)
		wantState(t, got, task.Failed)
		if got.ExitCode == nil || *got.ExitCode != 7 {
			t.Errorf("exit code %v; want 7", got.ExitCode)
		}
	})
}
