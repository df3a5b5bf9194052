package worker

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"cube/worker/task"
)

// wakeRetire has the bounds on what is kept looked at.
func (w *Worker) wakeRetire() { wake(w.retireNow) }

// retire makes finished tasks tombstones, and forgets tombstones, when they are
// too old or too many, and settles the doubts that failed writes have left. It
// wakes when a task ends or a write fails, and when the oldest task is due.
func (w *Worker) retire(ctx context.Context) {
	for {
		finished, tombstones, next := w.due(time.Now())
		err := w.retireAll(ctx, w.doubtful(), w.reassure)
		if err == nil {
			err = w.retireAll(ctx, finished, w.bury)
		}
		if err == nil {
			err = w.retireAll(ctx, tombstones, w.forget)
		}
		if len(finished) > 0 {
			w.wakeRetire() // they are tombstones now, perhaps too many
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.log.Error("The worker's state cannot be written", "error", err)
			next = time.Now().Add(retryDelay(20))
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-w.retireNow:
		case <-timer:
		case <-ctx.Done():
			return
		}
	}
}

// doubtful returns the tasks of which nobody knows what is on disk.
func (w *Worker) doubtful() []uuid.UUID {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []uuid.UUID
	for id, e := range w.tasks {
		if e.doubt {
			ids = append(ids, id)
		}
	}
	return ids
}

// aged is a task and since when it is in the state it is kept in.
type aged struct {
	id    uuid.UUID
	since time.Time
}

// due returns the finished tasks and the tombstones that are over a bound now,
// and when the next one will be (zero: none).
func (w *Worker) due(now time.Time) (finished, tombstones []uuid.UUID, next time.Time) {
	var ended, graves []aged
	w.mu.Lock()
	for id, e := range w.tasks {
		switch {
		case e.record == nil || e.record.live():
		case e.record.Tombstone:
			graves = append(graves, aged{id, e.record.Updated})
		default:
			ended = append(ended, aged{id, e.record.Task.FinishTime})
		}
	}
	w.mu.Unlock()
	finished, next = over(ended, now, w.cfg.KeepFinished, w.cfg.MaxFinished)
	tombstones, nextGrave := over(graves, now, w.cfg.KeepTombstones, w.cfg.MaxTombstones)
	if next.IsZero() || (!nextGrave.IsZero() && nextGrave.Before(next)) {
		next = nextGrave
	}
	return finished, tombstones, next
}

// over returns those that are older than keep or more than most, and when the
// oldest of the others will be too old.
func over(all []aged, now time.Time, keep time.Duration, most int) (ids []uuid.UUID, next time.Time) {
	slices.SortFunc(all, func(a, b aged) int { return b.since.Compare(a.since) }) // newest first
	for i, a := range all {
		switch {
		case i >= most || !a.since.Add(keep).After(now):
			ids = append(ids, a.id)
		default:
			next = a.since.Add(keep)
		}
	}
	return ids, next
}

// retireAll does this with each task, some at a time so that they share writes.
func (w *Worker) retireAll(ctx context.Context, ids []uuid.UUID, each func(*entry) error) error {
	var group errgroup.Group
	group.SetLimit(32)
	for _, id := range ids {
		group.Go(func() error {
			e, err := w.take(ctx, id)
			if err != nil {
				return err
			}
			defer w.release(e)
			return each(e)
		})
	}
	return group.Wait()
}

// bury makes a finished task a tombstone, which keeps what late requests are
// judged by, and discards its runs. The caller holds the turn.
func (w *Worker) bury(e *entry) error {
	r := w.recordOf(e)
	if r == nil || r.live() || r.Tombstone {
		return nil // it has a new allocation by now
	}
	t := &r.Task
	grave := &Record{
		Task: task.Task{
			ID: t.ID, Name: t.Name, State: t.State, Allocation: t.Allocation, RestartCount: t.RestartCount,
			StartTime: t.StartTime, FinishTime: t.FinishTime, ExitCode: t.ExitCode,
		},
		Wanted: r.Wanted, Events: r.Events, Fence: r.Fence, Tombstone: true,
	}
	if err := w.write(e, grave); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.discard(r.key())
	for _, key := range e.stale {
		w.discard(key)
	}
	e.stale = nil
	return nil
}

// forget deletes a tombstone. The caller holds the turn.
func (w *Worker) forget(e *entry) error {
	r := w.recordOf(e)
	if r == nil || !r.Tombstone {
		return nil
	}
	if err := w.store.Delete(e.id); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.show(e, nil)
	return nil
}
