package manager

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
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
	request, err := requestOf(t)
	if err != nil {
		return wire.PlacedTask{}, false, err
	}
	for {
		var s submission
		if err := m.accept([]*task.Task{request}, []*submission{&s}); err != nil {
			return wire.PlacedTask{}, false, err
		}
		if s.other == nil {
			return m.submitted(&s)
		}
		select {
		case <-s.other:
		case <-ctx.Done():
			return wire.PlacedTask{}, false, ctx.Err()
		}
	}
}

// SubmitAll accepts many tasks with one write to the disk, each by itself as
// [Manager.Submit] does: one that is refused keeps no other back. It returns
// what became of each, in their order, once all that were accepted are on disk.
// The error is that the disk could not be written, and none was accepted.
func (m *Manager) SubmitAll(ctx context.Context, tasks []*task.Task) ([]wire.Submitted, error) {
	outcomes := make([]wire.Submitted, len(tasks))
	submissions := make([]submission, len(tasks))
	var requests []*task.Task
	var accepted []*submission
	for i, t := range tasks {
		request, err := requestOf(t)
		if err != nil {
			outcomes[i] = wire.Refused(t.ID, err)
			continue
		}
		outcomes[i].ID = request.ID
		requests, accepted = append(requests, request), append(accepted, &submissions[i])
	}
	if err := m.accept(requests, accepted); err != nil {
		return nil, err
	}
	for i := range outcomes {
		s := &submissions[i]
		created, err := s.created, s.err
		switch {
		case outcomes[i].Error != nil:
			continue
		case s.other != nil: // somebody else is at it, or an earlier one of these
			_, created, err = m.Submit(ctx, s.request)
		}
		if err != nil {
			outcomes[i] = wire.Refused(outcomes[i].ID, err)
			continue
		}
		outcomes[i].HTTPStatusCode = http.StatusOK
		if created {
			outcomes[i].HTTPStatusCode = http.StatusCreated
		}
	}
	return outcomes, nil
}

// submission is what becomes of one task that is submitted.
type submission struct {
	request *task.Task
	e       *entry  // the task; nil before it is accepted
	record  *Record // as it was found, or as it is accepted
	created bool
	err     error           // why it was refused
	other   <-chan struct{} // closed once another submission of the same ID is done
}

// requestOf is what a task asks for, checked, with an ID.
func requestOf(t *task.Task) (*task.Task, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	request := asked(t.Clone())
	if request.ID == uuid.Nil {
		request.ID = uuid.New()
	}
	if request.HealthCheck.IsZero() {
		request.HealthCheck = nil // the book's "": no check
	}
	return &request, nil
}

// accept brings requests to disk with one write, and says in into what became
// of each. The error is the disk's; then none was accepted.
func (m *Manager) accept(requests []*task.Task, into []*submission) error {
	done := make(chan struct{}) // shared: all of them are through at the same time
	m.mu.Lock()
	fresh, saved := m.reserve(requests, into, done)
	m.mu.Unlock()
	for _, s := range into {
		s.compare()
	}
	if len(fresh) == 0 {
		return nil
	}
	err := saved.wait()
	for some := range slices.Chunk(fresh, maxHeld) {
		m.mu.Lock()
		for _, s := range some {
			delete(m.accepting, s.request.ID)
			if err == nil {
				s.e, s.created = m.insert(s.record, m.now()), true
				m.reindex(s.e, nil, s.record)
				m.resume(s.e)
			}
		}
		m.mu.Unlock()
	}
	close(done)
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// reserve keeps others from accepting a task of the same ID, of those that are
// not known and that nobody else is about to accept, and has them written.
func (m *Manager) reserve(requests []*task.Task, into []*submission, done chan struct{}) (fresh []*submission, saved *commit) {
	var records []*Record
	now := time.Now()
	for i, request := range requests {
		s := into[i]
		*s = submission{request: request, e: m.tasks[request.ID], other: m.accepting[request.ID]}
		switch {
		case s.e != nil:
			s.record = s.e.record
		case s.other == nil:
			m.accepting[request.ID] = done
			m.lastSeq++
			s.record = &Record{Task: *request, Seq: m.lastSeq, SubmitTime: now}
			records, fresh = append(records, s.record), append(fresh, s)
		}
	}
	if len(records) > 0 {
		saved = m.journal.append(Changes{Tasks: records})
	}
	return fresh, saved
}

// compare refuses what is not what the task asks for that there is already. No
// lock is needed: records do not change.
func (s *submission) compare() {
	if s.e == nil {
		return
	}
	if have := asked(&s.record.Task); !sameRequest(&have, s.request) {
		s.err = wire.New(wire.CodeEventConflict,
			"there is a task %s already, and it asks for something else", s.request.ID).WithField("ID")
	}
}

// submitted is the answer to one submission.
func (m *Manager) submitted(s *submission) (wire.PlacedTask, bool, error) {
	if s.err != nil {
		return wire.PlacedTask{}, false, s.err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return s.e.record.placed(m.pendingReason(s.e)), s.created, nil
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
		base, resent := e.record, e.resent
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
		if m.publishStop(e, base, resent, next) {
			return nil
		}
	}
}

// publishStop makes a saved stop true, unless the task has changed meanwhile, or
// was handed to the journal once more: then the disk may have it without the
// stop.
func (m *Manager) publishStop(e *entry, base *Record, resent uint, next *Record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.record != base {
		return false
	}
	if next == base {
		return true
	}
	if e.resent != resent {
		return false
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
