package worker

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// entry is what the worker holds in memory of a task.
type entry struct {
	id uuid.UUID
	// turn has one place: who has put something in it holds the task's turn,
	// and alone may change its record.
	turn chan struct{}

	// What follows is guarded by Worker.mu.

	// record is what was last written. A record that is here is never
	// changed in place, so it may be read after mu was let go. It is nil
	// while the first one is being written.
	record *Record
	// changed is the generation at which record was shown.
	changed uint64
	// doubt says that a write failed, so that nobody knows what is on disk:
	// the old record (or none), or the new one. It is settled before the
	// next request about the task is answered.
	doubt bool
	// held is what the task takes of the machine's room.
	held room
	// holders counts who holds the turn or waits for it.
	holders int
	// driven says that a goroutine brings the task on.
	driven bool
	// interrupt ends the step which that goroutine is at, so that it looks
	// at the record again; nil when there is no goroutine.
	interrupt context.CancelFunc
	// stale are runs of this task that are not the present one: of an older
	// allocation, to be stopped before the present one starts; or the run
	// before a restart, whose output is kept until then.
	stale []Key
	// survivor is the present run where the worker was killed between its
	// start and the record of it.
	survivor *Run
}

// key names the run that the record is about.
func (r *Record) key() Key {
	return Key{Task: r.Task.ID, Allocation: r.Task.Allocation, Restart: r.Task.RestartCount}
}

// live says that the task is still to be brought on.
func (r *Record) live() bool { return !r.Tombstone && !r.Task.State.Ended() }

// accepted says that nothing has become of the task since it was taken.
func (r *Record) accepted() bool {
	return r.Task.State == task.Scheduled && r.Task.RestartCount == 0 && r.Task.StartTime.IsZero()
}

// clone returns a copy that shares nothing with r.
func (r *Record) clone() *Record {
	c := *r
	c.Task = *r.Task.Clone()
	c.Events = maps.Clone(r.Events)
	return &c
}

// move takes the task through states, each of which the table of transitions
// must allow. The record is left alone where it does not.
func (r *Record) move(states ...task.State) error {
	state := r.Task.State
	for _, next := range states {
		if err := state.MoveTo(next); err != nil {
			return err
		}
		state = next
	}
	r.Task.State = state
	return nil
}

// take waits for the turn of a task, known or not. The caller gives it back with
// release. The error is the context's.
func (w *Worker) take(ctx context.Context, id uuid.UUID) (*entry, error) {
	w.mu.Lock()
	e := w.tasks[id]
	if e == nil {
		e = &entry{id: id, turn: make(chan struct{}, 1)}
		w.tasks[id] = e
	}
	e.holders++
	w.mu.Unlock()

	select {
	case e.turn <- struct{}{}:
		return e, nil
	case <-ctx.Done():
		w.leave(e)
		return nil, context.Cause(ctx)
	}
}

// release gives the turn back.
func (w *Worker) release(e *entry) {
	<-e.turn
	w.leave(e)
}

// leave forgets an entry that holds nothing once nobody is at it any more.
func (w *Worker) leave(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.holders--
	if e.holders == 0 && e.record == nil && !e.doubt {
		delete(w.tasks, e.id)
	}
}

// write puts a record on disk and then shows it. The caller holds the turn, and
// leaves the record alone afterwards.
func (w *Worker) write(e *entry, next *Record) error {
	if err := w.save(e, next); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.show(e, next)
	return nil
}

// save puts a record on disk. The caller holds the turn.
func (w *Worker) save(e *entry, next *Record) error {
	next.Updated = time.Now()
	err := w.store.Save(*next)
	w.mu.Lock()
	defer w.mu.Unlock()
	e.doubt = err != nil
	return err
}

// takeSure is take, with no doubt about what is on disk.
func (w *Worker) takeSure(ctx context.Context, id uuid.UUID) (*entry, error) {
	e, err := w.take(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := w.reassure(e); err != nil {
		w.release(e)
		return nil, unsaved(err)
	}
	return e, nil
}

// reassure makes what is on disk what everybody sees, where a failed write left
// a doubt about it. The caller holds the turn.
func (w *Worker) reassure(e *entry) error {
	w.mu.Lock()
	doubt, record := e.doubt, e.record
	w.mu.Unlock()
	switch {
	case !doubt:
		return nil
	case record != nil:
		return w.save(e, record.clone())
	}
	if err := w.store.Delete(e.id); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e.doubt = false
	return nil
}

// show makes a record that is on disk the one that everybody sees; nil takes the
// task away. The caller holds mu.
func (w *Worker) show(e *entry, next *Record) {
	w.count(e.record, -1)
	w.count(next, +1)
	w.index(e, next)
	w.hold(e, roomOf(next))
	accepted := next != nil && next.accepted()
	e.record = next
	w.generation++
	e.changed = w.generation
	if !accepted {
		w.news = w.generation
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// count keeps the number of tasks in each state. The caller holds mu.
func (w *Worker) count(r *Record, by int) {
	switch {
	case r == nil:
	case r.Tombstone:
		w.tombstones += by
	default:
		w.states[r.Task.State] += by
	}
}

// index keeps the list of the events that were acted on. The caller holds mu.
func (w *Worker) index(e *entry, next *Record) {
	if e.record != nil {
		for event := range e.record.Events {
			delete(w.events, event)
		}
	}
	if next != nil {
		for event := range next.Events {
			w.events[event] = e.id
		}
	}
}

// poke makes the task's goroutine look at the record again, or starts one. The
// caller holds mu.
func (w *Worker) poke(e *entry) {
	switch {
	case e.interrupt != nil:
		e.interrupt()
	case w.driving && !e.driven && e.record != nil && e.record.live():
		e.driven = true
		ctx := w.running
		w.group.Go(func() { w.drive(ctx, e) })
	}
}
