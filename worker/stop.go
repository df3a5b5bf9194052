package worker

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"cube/worker/task"
	"cube/worker/wire"
)

// Stop asks for a task to be stopped, and returns once that wish is on disk; the
// task has ended when its state says so. Asked again, it succeeds again.
//
// With an allocation it stops that allocation or an older one and refuses a late
// start of them for good; a newer one there is the error stale_allocation, and a
// task that is not known is none. Without one (nil) a task that is not known is
// the error not_found.
func (w *Worker) Stop(ctx context.Context, id uuid.UUID, allocation *uint64) error {
	e, err := w.takeSure(ctx, id)
	if err != nil {
		return err
	}
	defer w.release(e)
	_, err = w.stop(e, allocation, uuid.Nil, "")
	return err
}

// submitStop is a stop that comes as an event. An Allocation of 0 is not given.
func (w *Worker) submitStop(ctx context.Context, event *task.Event, digest string) (*task.Task, error) {
	if event.Task.ID == uuid.Nil {
		return nil, &task.ValidationError{Field: "Task.ID", Reason: "is missing; an event for completed names its task"}
	}
	e, err := w.takeSure(ctx, event.Task.ID)
	if err != nil {
		return nil, err
	}
	defer w.release(e)
	if seen, err := w.seen(e, event.ID, digest); err != nil || seen != nil {
		return seen, err
	}
	var allocation *uint64
	if event.Task.Allocation > 0 {
		allocation = &event.Task.Allocation
	}
	r, err := w.stop(e, allocation, event.ID, digest)
	if err != nil {
		return nil, err
	}
	return r.Task.Clone(), nil
}

// stop writes the wish and wakes the task's goroutine. The caller holds the turn.
func (w *Worker) stop(e *entry, allocation *uint64, event uuid.UUID, digest string) (*Record, error) {
	known := w.recordOf(e)
	var next *Record
	switch {
	case known == nil && allocation == nil:
		return nil, unknownTask(e.id)
	case known == nil:
		next = &Record{Task: task.Task{ID: e.id, State: task.Completed}, Tombstone: true}
	case allocation != nil && *allocation < known.Task.Allocation:
		return nil, wire.New(wire.CodeStaleAllocation, "task %s: allocation %d is here, which is newer than %d",
			e.id, known.Task.Allocation, *allocation).WithField("Allocation")
	default:
		next = known.clone()
	}
	next.Wanted = task.Completed
	next.Fence = max(next.Fence, next.Task.Allocation)
	if allocation != nil {
		next.Fence = max(next.Fence, *allocation)
	}
	if known != nil && next.Fence == known.Fence && (known.Wanted == task.Completed || !known.live()) {
		return known, nil // asked before
	}
	next.remember(event, digest)
	if err := w.write(e, next); err != nil {
		w.wakeRetire() // settles the doubt
		return nil, unsaved(err)
	}
	w.log.Info("Stop accepted", "task", e.id, "state", next.Task.State, "fence", next.Fence)
	w.wakeRetire() // it may be one tombstone too many
	w.mu.Lock()
	w.poke(e)
	w.mu.Unlock()
	return next, nil
}

// maxEvents bounds how many events a record remembers. Stops of ever newer
// allocations would make it grow for ever; those that it does not remember act
// once all the same, by the fence, and only another body under the same ID is
// not noticed.
const maxEvents = 16

// remember notes that the event was acted on; the nil event has no ID to know it
// by.
func (r *Record) remember(event uuid.UUID, digest string) {
	if event == uuid.Nil || len(r.Events) >= maxEvents {
		return
	}
	if r.Events == nil {
		r.Events = map[uuid.UUID]string{}
	}
	r.Events[event] = digest
}

// StopAll takes no more tasks, stops every one there is, and returns once all
// have ended: Ctrl-C of a worker that leaves nothing behind. Run must go on
// meanwhile. The error is the context's, or why a stop could not be written.
func (w *Worker) StopAll(ctx context.Context) error {
	w.mu.Lock()
	if w.refusing == nil {
		w.refusing = wire.New(wire.CodeUnavailable, "the worker is being drained")
	}
	w.mu.Unlock()

	for {
		live, generation := w.liveTasks()
		if len(live) == 0 {
			return nil
		}
		var group errgroup.Group
		group.SetLimit(64)
		for _, id := range live {
			group.Go(func() error {
				if err := w.Stop(ctx, id, nil); !errors.Is(err, wire.New(wire.CodeNotFound, "")) {
					return err
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if err := w.Changed(ctx, generation); err != nil {
			return err
		}
	}
}

// liveTasks returns the tasks that have not ended, and the generation at that
// moment.
func (w *Worker) liveTasks() ([]uuid.UUID, uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []uuid.UUID
	for id, e := range w.tasks {
		if e.record != nil && e.record.live() {
			ids = append(ids, id)
		}
	}
	return ids, w.generation
}
