package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// Submit takes an event: State Running asks for its task to be started,
// Completed for it to be stopped. It returns once the wish is on disk, with the
// task as it then is, and whether a task was taken that was not here before.
//
// The same event again (same ID, same body but for the Timestamp) acts once and
// returns the task; so does another event that asks for the same allocation of
// the same task while that is live. Errors are a [*task.ValidationError] or a
// [*wire.Error]: event_conflict, illegal_transition, stale_allocation, no_room,
// unavailable, and for a stop not_found.
//
// A task without an ID is given one; it follows from the event's ID where there
// is one, so that the same event means the same task.
func (w *Worker) Submit(ctx context.Context, event task.Event) (t *task.Task, created bool, err error) {
	digest, err := digestOf(&event)
	if err != nil {
		return nil, false, err
	}
	switch event.State {
	case task.Running:
		return w.submitStart(ctx, &event, digest)
	case task.Completed:
		t, err = w.submitStop(ctx, &event, digest)
		return t, false, err
	}
	return nil, false, &task.ValidationError{
		Field: "State", Reason: fmt.Sprintf("an event asks for running or completed, not %s", event.State),
	}
}

func (w *Worker) submitStart(ctx context.Context, event *task.Event, digest string) (*task.Task, bool, error) {
	t := requested(&event.Task)
	if t.ID = event.TaskID(); t.ID == uuid.Nil {
		t.ID = uuid.New()
	}
	if err := w.check(t); err != nil {
		return nil, false, err
	}
	e, err := w.takeSure(ctx, t.ID)
	if err != nil {
		return nil, false, err
	}
	defer w.release(e)

	if seen, err := w.seen(e, event.ID, digest); err != nil || seen != nil {
		return seen, false, err
	}
	before := w.recordOf(e)
	if before != nil {
		repeated, err := judge(before, t)
		if err != nil || repeated {
			return before.Task.Clone(), false, err
		}
	}
	next := &Record{Task: *t, Wanted: task.Running}
	if before != nil {
		next.Fence = before.Fence
	}
	next.remember(event.ID, digest)
	if err := w.accept(e, event.ID, next); err != nil {
		return nil, false, err
	}
	w.log.Info("Task accepted", "task", t.ID, "name", t.Name, "allocation", t.Allocation)
	return next.Task.Clone(), true, nil
}

// check refuses what the worker or its runtime could never run.
func (w *Worker) check(t *task.Task) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := w.checkHealthCheck(t); err != nil {
		return err
	}
	if checker, ok := w.runtime.(Checker); ok {
		return checker.Check(t)
	}
	return nil
}

// requested is the part of a task that is asked for, in the state it begins
// with: what becomes of a task is the worker's to say.
func requested(t *task.Task) *task.Task {
	c := t.Clone()
	c.State = task.Scheduled
	c.RestartCount, c.ContainerID, c.HostPorts = 0, "", nil
	c.StartTime, c.FinishTime = time.Time{}, time.Time{}
	c.ExitCode, c.OOMKilled, c.Error = nil, false, ""
	if c.HealthCheck.IsZero() {
		c.HealthCheck = nil
	}
	return c
}

// digestOf identifies what an event asks for. When it was asked is no part of
// that: a client that asks again may say so.
func digestOf(event *task.Event) (string, error) {
	asked := task.Event{ID: event.ID, State: event.State, Task: *requested(&event.Task)}
	body, err := json.Marshal(asked)
	if err != nil {
		return "", wire.New(wire.CodeInvalid, "the event cannot be written as JSON: %v", err)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

// sameRequest says that two tasks ask for the same.
func sameRequest(a, b *task.Task) bool {
	x, errX := digestOf(&task.Event{Task: *a})
	y, errY := digestOf(&task.Event{Task: *b})
	return errX == nil && errY == nil && x == y
}

// seen returns the task if the event was acted on already, and event_conflict if
// it said something else then.
func (w *Worker) seen(e *entry, event uuid.UUID, digest string) (*task.Task, error) {
	if event == uuid.Nil {
		return nil, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	owner, acted := w.events[event]
	switch {
	case !acted:
		return nil, nil
	case owner != e.id || e.record == nil || e.record.Events[event] != digest:
		return nil, wire.New(wire.CodeEventConflict, "the event %s was taken already, with another body", event).WithField("ID")
	}
	return e.record.Task.Clone(), nil
}

func (w *Worker) recordOf(e *entry) *Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return e.record
}

// judge says whether a start asks for what there is already, or why it cannot
// have its way, given what is known of the task.
func judge(known *Record, t *task.Task) (repeated bool, err error) {
	newest := max(known.Fence, known.Task.Allocation)
	switch {
	case t.Allocation < newest:
		return false, wire.New(wire.CodeStaleAllocation, "task %s: allocation %d is older than %d, which was seen already",
			t.ID, t.Allocation, newest).WithField("Allocation")
	case t.Allocation > newest:
		// The manager's word that it is to run anew.
		return false, known.Task.State.MoveTo(task.Scheduled)
	case known.Tombstone || known.Task.State.Ended():
		state := known.Task.State
		return false, fmt.Errorf("task %s: %w", t.ID, &task.TransitionError{From: state, To: task.Running})
	case known.Wanted == task.Completed:
		return false, wire.New(wire.CodeIllegalTransition, "task %s is %s and about to be completed, as was asked; it cannot become running",
			t.ID, known.Task.State).WithField("State")
	case !sameRequest(&known.Task, t):
		return false, wire.New(wire.CodeEventConflict, "task %s: allocation %d was asked for already, with another body",
			t.ID, t.Allocation).WithField("Allocation")
	}
	return true, nil
}

// accept makes sure of the task's room and of its event, writes the record, and
// has the task started. The caller holds the turn.
func (w *Worker) accept(e *entry, event uuid.UUID, next *Record) error {
	if err := w.checkFree(); err != nil {
		return err
	}
	allocatable, err := w.Allocatable()
	if err != nil {
		return wire.New(wire.CodeUnavailable, "%v", err)
	}
	w.mu.Lock()
	held := e.held
	if err := w.refusal(); err != nil {
		w.mu.Unlock()
		return err
	}
	if owner, acted := w.events[event]; acted && owner != e.id {
		w.mu.Unlock()
		return wire.New(wire.CodeEventConflict, "the event %s was taken already, for task %s", event, owner).WithField("ID")
	}
	if err := w.admit(e, &next.Task, allocatable); err != nil {
		w.mu.Unlock()
		return err
	}
	if event != uuid.Nil {
		w.events[event] = e.id
	}
	w.mu.Unlock()

	if err = w.save(e, next); errors.Is(err, syscall.ENOSPC) && w.reassure(e) == nil {
		// For sure it is not on disk, so who asks may ask another worker.
		err = wire.New(wire.CodeNoRoom, "Disk: %v", err).WithField("Disk")
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.hold(e, held)
		delete(w.events, event)
		w.wakeRetire() // settles the doubt
		return unsaved(err)
	}
	if e.record != nil && !e.record.Tombstone {
		e.stale = append(e.stale, e.record.key())
	}
	w.show(e, next)
	w.poke(e)
	return nil
}

// unsaved is the refusal where the store failed: nothing was changed.
func unsaved(err error) error {
	if full := (*wire.Error)(nil); errors.As(err, &full) {
		return full
	}
	return wire.New(wire.CodeUnavailable, "the worker's state cannot be written, so nothing was changed: %v", err)
}
