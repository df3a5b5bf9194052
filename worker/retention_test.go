package worker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/wire"
)

// finish runs a task to its end.
func (m *machine) finish(id uuid.UUID) task.Event {
	m.t.Helper()
	event := startOf(id, 1)
	m.submit(event)
	m.runtime.Exit(keyOf(id, 1, 0), 0)
	wantState(m.t, m.settle(id), task.Completed)
	return event
}

func TestFinishedTasksAreKeptForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		event := m.finish(id)
		pass(24*time.Hour - time.Second)
		m.settle(id)
		if len(m.runtime.Known()) != 1 {
			t.Error("its output is gone")
		}
		pass(time.Second)
		synctest.Wait()
		_, err := m.Task(id)
		wantCode(t, err, wire.CodeNotFound)
		if known := m.runtime.Known(); len(m.Tasks(all)) != 0 || len(known) != 0 {
			t.Errorf("listed: %v; on the machine: %v", m.Tasks(all), known)
		}

		// The tombstone knows what had been.
		if _, created, err := m.Submit(t.Context(), event); err != nil || created {
			t.Errorf("the same event again: %v, %v; want that it acts once", created, err)
		}
		_, _, err = m.Submit(t.Context(), startOf(id, 1))
		wantCode(t, err, wire.CodeIllegalTransition)
		m.stop(id)

		// And is itself forgotten in the end.
		pass(7*24*time.Hour + time.Second)
		synctest.Wait()
		wantCode(t, m.Stop(t.Context(), id, nil), wire.CodeNotFound)
		if records, err := m.store.Load(); err != nil || len(records) != 0 {
			t.Errorf("still stored: %v, %v", records, err)
		}
	})
}

func TestTheLastFinishedTasksAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, func(cfg *worker.Config) { cfg.MaxFinished, cfg.MaxTombstones = 3, 2 })
		var ids []uuid.UUID
		for range 8 {
			ids = append(ids, uuid.New())
			m.finish(ids[len(ids)-1])
			pass(time.Second)
		}
		running := uuid.New()
		m.submit(startOf(running, 1)) // is not counted
		m = m.reboot()
		synctest.Wait()
		for i, id := range ids {
			_, err := m.Task(id)
			if kept := err == nil; kept != (i >= 5) {
				t.Errorf("task %d of 8: kept %v", i, kept)
			}
		}
		if records, err := m.store.Load(); err != nil || len(records) != 3+2+1 {
			t.Errorf("%d records, %v; want 3 finished, 2 tombstones, 1 running", len(records), err)
		}
		if known := m.runtime.Known(); len(known) != 3+1 {
			t.Errorf("on the machine: %v", known)
		}
	})
}

// A task that got a new allocation meanwhile is not buried.
func TestAFinishedTaskCanRunAgainUnderANewAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		m.finish(id)
		pass(24*time.Hour - time.Second)
		wantState(t, m.submit(startOf(id, 2)), task.Running)
		pass(48 * time.Hour)
		wantState(t, m.settle(id), task.Running)
		if known := m.runtime.Known(); len(known) != 1 || known[0] != keyOf(id, 2, 0) {
			t.Errorf("on the machine: %v", known)
		}
	})
}
