package manager

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// Submit accepts a task and returns once it is on disk; created says so. What
// people cannot ask for (a state, an allocation) is left aside. A task without
// an ID is given one. One that is known already with the same request is
// returned as it is, not created anew; with another request it is refused.
func (m *Manager) Submit(ctx context.Context, t *task.Task) (placed wire.PlacedTask, created bool, err error) {
	if err := t.Validate(); err != nil {
		return wire.PlacedTask{}, false, err
	}
	request := asked(t.Clone())
	if request.ID == uuid.Nil {
		request.ID = uuid.New()
	}
	if request.HealthCheck.IsZero() {
		request.HealthCheck = nil // the book's "": no check
	}
	release, known, err := m.reserve(ctx, &request)
	if err != nil || known != nil {
		return m.known(known, &request, err)
	}
	defer release()

	m.mu.Lock()
	m.lastSeq++
	record := &Record{Task: request, Seq: m.lastSeq, SubmitTime: time.Now()}
	saved := m.journal.append(Changes{Tasks: []*Record{record}})
	m.mu.Unlock()
	if err := saved.wait(); err != nil {
		return wire.PlacedTask{}, false, unavailable(err)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.insert(record, m.now())
	m.reindex(e, nil, record)
	m.resume(e)
	return record.placed(m.pendingReason(e)), true, nil
}

// reserve keeps others from accepting a task of the same ID until release is
// called. If there is such a task already, it is returned.
func (m *Manager) reserve(ctx context.Context, request *task.Task) (release func(), known *entry, err error) {
	for {
		m.mu.Lock()
		known, inFlight := m.tasks[request.ID], m.accepting[request.ID]
		if known == nil && inFlight == nil {
			done := make(chan struct{})
			m.accepting[request.ID] = done
			m.mu.Unlock()
			return func() {
				m.mu.Lock()
				delete(m.accepting, request.ID)
				m.mu.Unlock()
				close(done)
			}, nil, nil
		}
		m.mu.Unlock()
		if known != nil {
			return nil, known, nil
		}
		select {
		case <-inFlight:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// known answers a request for a task that there is already.
func (m *Manager) known(e *entry, request *task.Task, err error) (wire.PlacedTask, bool, error) {
	if err != nil {
		return wire.PlacedTask{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if have := asked(&e.record.Task); !sameRequest(&have, request) {
		return wire.PlacedTask{}, false, wire.New(wire.CodeEventConflict,
			"there is a task %s already, and it asks for something else", request.ID).WithField("ID")
	}
	return e.record.placed(m.pendingReason(e)), false, nil
}

// sameRequest compares what two tasks ask for as it stands on the wire, where
// an empty list and none are the same.
func sameRequest(a, b *task.Task) bool {
	textA, errA := json.Marshal(a)
	textB, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(textA, textB)
}

// Stop asks for a task to be stopped and returns once that wish is on disk. A
// task that is on no node ends at once. Asked again, or for a task that has
// ended, it succeeds and changes nothing.
func (m *Manager) Stop(_ context.Context, id uuid.UUID) error {
	for {
		m.mu.Lock()
		e, err := m.entryOf(id)
		if err != nil {
			m.mu.Unlock()
			return err
		}
		base := e.record
		next := stopped(base)
		if next == nil && e.saved == base {
			m.mu.Unlock()
			return nil
		}
		if next == nil {
			next = base // it has ended, and the disk is to know
		}
		saved := m.journal.append(Changes{Tasks: []*Record{next}})
		m.mu.Unlock()
		// Nothing is changed before it is on disk: a wish that could not be
		// kept is not acted on.
		if err := saved.wait(); err != nil {
			return unavailable(err)
		}
		if m.publishStop(e, base, next) {
			return nil
		}
	}
}

// publishStop makes a saved stop true, unless the task has changed meanwhile:
// then the disk may have that change without the stop.
func (m *Manager) publishStop(e *entry, base, next *Record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.record != base {
		return false
	}
	if next == base {
		return true
	}
	e.record, e.saved = next, next
	m.reindex(e, base, next)
	m.log.Info("A stop was requested.", "task", next.Task.ID, "node", next.Node, "allocation", next.Task.Allocation)
	if n := m.nodes[next.Node]; n != nil {
		m.enqueue(n, e)
	}
	return true
}

// stopped is the record after a stop was requested; nil if nothing is to be
// done any more.
func stopped(r *Record) *Record {
	t := &r.Task
	again := t.State.Ended() && t.RestartPolicy.Again(t.State, t.RestartCount)
	if r.StopRequested || (t.State.Ended() && !again) {
		return nil
	}
	return r.with(func(next *Record) {
		next.StopRequested = true
		if t.State == task.Pending {
			next.Task.State, next.Task.FinishTime = task.Completed, time.Now()
		}
	})
}

func unavailable(err error) error { return wire.New(wire.CodeUnavailable, "%v", err) }

func notFound(kind, name string) error {
	return wire.New(wire.CodeNotFound, "there is no %s %s", kind, name)
}
