package worker

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// Logs returns the output of a task's present run, or of the last one where it
// has ended; the caller closes it. With Follow, a task that is still to start is
// waited for. Errors are not_found where there is no such task or it never ran,
// and unavailable.
func (w *Worker) Logs(ctx context.Context, id uuid.UUID, opts LogOptions) (io.ReadCloser, error) {
	for {
		r, runs, generation, err := w.runsOf(id)
		if err != nil {
			return nil, err
		}
		for _, key := range runs {
			logs, err := w.runtime.Logs(ctx, key, opts)
			switch {
			case errors.Is(err, ErrUnknownRun):
				continue
			case errors.Is(err, ErrUnavailable):
				return nil, wire.New(wire.CodeUnavailable, "the output of task %s cannot be read: %v", id, err)
			}
			return logs, err
		}
		switch {
		case r.Task.State.Ended() && r.Task.Error != "":
			return nil, wire.New(wire.CodeNotFound, "task %s has no output: %s", id, r.Task.Error)
		case r.Task.State.Ended():
			return nil, wire.New(wire.CodeNotFound, "task %s has no output", id)
		case !opts.Follow:
			return nil, wire.New(wire.CodeNotFound, "task %s has no output yet", id)
		}
		if err := w.Changed(ctx, generation); err != nil {
			return nil, err
		}
	}
}

// runsOf returns the runs that a task may have output of, newest first, and the
// generation at that moment.
func (w *Worker) runsOf(id uuid.UUID) (*Record, []Key, uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.tasks[id]
	if e == nil || e.record == nil || e.record.Tombstone {
		return nil, nil, 0, unknownTask(id)
	}
	runs := slices.Clone(e.stale)
	if e.record.Task.State != task.Scheduled {
		runs = append(runs, e.record.key())
	}
	slices.Reverse(runs)
	return e.record, runs, w.generation, nil
}
