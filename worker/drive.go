package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cube/worker/task"
)

// step is what a task's goroutine is at: the record it acts on, and a context
// that ends when the record changes under it or the worker ends.
type step struct {
	record *Record
	key    Key
	ctx    context.Context
}

// drive brings a task on, a step at a time, until it has ended or ctx does. A
// step that cannot be done now (the engine is away, a stop failed) is tried
// again after a while, or at once when the record changes.
func (w *Worker) drive(ctx context.Context, e *entry) {
	failures := 0
	for ctx.Err() == nil {
		s, done := w.begin(ctx, e)
		if s == nil {
			return
		}
		err := w.advance(ctx, e, s)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("Task is held up", "task", e.id, "name", s.record.Task.Name, "run", s.key, "state", s.record.Task.State, "error", err)
			pause(s.ctx, retryDelay(failures))
			failures++
		} else {
			failures = 0
		}
		done()
	}
}

// begin takes the record as it is now for the next step, or ends the task's
// goroutine where there is none to do. Both happen under the lock that guards
// the record, so that no change is missed.
func (w *Worker) begin(ctx context.Context, e *entry) (*step, context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !e.record.live() {
		e.driven, e.interrupt = false, nil
		return nil, nil
	}
	stepCtx, cancel := context.WithCancel(ctx)
	e.interrupt = cancel
	return &step{record: e.record, key: e.record.key(), ctx: stepCtx}, cancel
}

// advance does what is next for a task.
func (w *Worker) advance(ctx context.Context, e *entry, s *step) error {
	r := s.record
	if r.Task.State == task.Scheduled {
		if run := w.found(e, s.key); run != nil {
			return w.started(ctx, e, s.key, *run)
		}
	}
	switch {
	case r.Task.State == task.Running && (r.Wanted == task.Completed || r.Unhealthy != ""):
		return w.end(ctx, e, s)
	case r.Task.State == task.Running:
		return w.watch(ctx, e, s)
	case r.Wanted == task.Completed:
		return w.cancel(ctx, e, s)
	default:
		return w.launch(ctx, e, s)
	}
}

// started records that a run has started. Where the record is about another run
// by now, this one is among the entry's stale ones and is stopped before that.
func (w *Worker) started(ctx context.Context, e *entry, key Key, run Run) error {
	w.log.Info("Task runs", "task", e.id, "run", key, "handle", run.Handle)
	done, err := w.edit(ctx, e, key, func(r *Record) error { return r.begun(run) })
	if done {
		w.discardStale(e, key)
	}
	return err
}

// launch starts the run: what it supersedes is stopped first, its backoff has
// passed, and not too many starts are under way.
func (w *Worker) launch(ctx context.Context, e *entry, s *step) error {
	if err := w.stopStale(ctx, e, s.key); err != nil {
		return err
	}
	if !pause(s.ctx, s.record.untilStart(time.Now())) {
		return nil
	}
	select {
	case w.starts <- struct{}{}:
	case <-s.ctx.Done():
		return nil
	}
	t := &s.record.Task
	run, err := w.runtime.Start(s.ctx, s.key, t.Clone())
	<-w.starts

	switch {
	case err == nil:
		return w.started(ctx, e, s.key, run)
	case s.ctx.Err() != nil:
		return nil // stopped, superseded, or the worker ends: nothing is left of it
	case errors.Is(err, ErrUnavailable):
		w.outage(err)
		return w.note(ctx, e, s, fmt.Errorf("waiting to start: %w", err))
	default:
		w.log.Warn("Task could not be started", "task", t.ID, "name", t.Name, "run", s.key, "error", err)
		return w.ended(ctx, e, s.key, Exit{Time: time.Now(), Error: fmt.Sprintf("could not be started: %v", err)})
	}
}

// begun makes the record that of a run that has started.
func (r *Record) begun(run Run) error {
	if err := r.move(task.Running); err != nil {
		return err
	}
	t := &r.Task
	t.StartTime, t.FinishTime = run.StartTime, time.Time{}
	t.ContainerID, t.HostPorts = run.Handle, run.HostPorts
	t.ExitCode, t.OOMKilled, t.Error = nil, false, ""
	return nil
}

// watch waits for the run to end, while its health is checked.
func (w *Worker) watch(ctx context.Context, e *entry, s *step) error {
	if !s.record.Task.HealthCheck.IsZero() {
		w.group.Go(func() { w.checkHealth(ctx, e, s) })
	}
	exit, err := w.runtime.Wait(s.ctx, s.key)
	switch {
	case errors.Is(err, ErrUnknownRun):
		exit = gone()
	case s.ctx.Err() != nil && err != nil:
		return nil
	case err != nil:
		if errors.Is(err, ErrUnavailable) {
			w.outage(err)
		}
		return fmt.Errorf("the end of its run cannot be waited for: %w", err)
	}
	return w.ended(ctx, e, s.key, exit)
}

// gone is the end of a run that its runtime no longer knows: the machine was
// restarted, or somebody removed it. Nobody can tell its exit code.
func gone() Exit {
	return Exit{Time: time.Now(), Error: "its run is gone; how it ended is not known"}
}

// end stops the run. What could not be stopped is not recorded as ended.
func (w *Worker) end(ctx context.Context, e *entry, s *step) error {
	if err := w.runtime.Stop(ctx, s.key, s.record.Task.Grace()); err != nil {
		return w.note(ctx, e, s, fmt.Errorf("could not be stopped: %w", err))
	}
	exit, err := w.runtime.Wait(ctx, s.key)
	if errors.Is(err, ErrUnknownRun) {
		exit, err = gone(), nil
	}
	if err != nil {
		return w.note(ctx, e, s, fmt.Errorf("was stopped, but its end cannot be read: %w", err))
	}
	return w.ended(ctx, e, s.key, exit)
}

// cancel ends a task that was stopped before it was seen running. A run may have
// been started all the same, just before the worker was killed.
func (w *Worker) cancel(ctx context.Context, e *entry, s *step) error {
	if err := w.stopStale(ctx, e, s.key); err != nil {
		return err
	}
	if err := w.runtime.Stop(ctx, s.key, s.record.Task.Grace()); err != nil {
		return w.note(ctx, e, s, fmt.Errorf("could not be stopped: %w", err))
	}
	_, err := w.edit(ctx, e, s.key, func(r *Record) error {
		if err := r.move(task.Completed); err != nil {
			return err
		}
		r.Task.FinishTime, r.Task.Error = time.Now(), ""
		return nil
	})
	w.wakeRetire()
	w.log.Info("Task stopped before it ran", "task", e.id, "name", s.record.Task.Name, "run", s.key)
	return err
}

// note writes why a task does not come on, so that whoever lists it can see,
// and returns that reason.
func (w *Worker) note(ctx context.Context, e *entry, s *step, reason error) error {
	if ctx.Err() != nil || s.record.Task.Error == reason.Error() {
		return reason
	}
	_, err := w.edit(ctx, e, s.key, func(r *Record) error {
		r.Task.Error = reason.Error()
		return nil
	})
	return errors.Join(reason, err)
}

// edit changes the record of a run and writes it, again and again until the
// store takes it or ctx ends: the world has moved on already, and has to be
// written. It does nothing, and says so, where the record is about another run
// by now.
func (w *Worker) edit(ctx context.Context, e *entry, key Key, change func(*Record) error) (done bool, err error) {
	for failures := 0; ; failures++ {
		done, unsaved, err := w.tryEdit(ctx, e, key, change)
		if !unsaved {
			return done, err
		}
		w.log.Error("The worker's state cannot be written", "task", e.id, "run", key, "error", err)
		if !pause(ctx, retryDelay(failures)) {
			return false, context.Cause(ctx)
		}
	}
}

// tryEdit is one attempt of edit; unsaved says that the store did not take it.
func (w *Worker) tryEdit(ctx context.Context, e *entry, key Key, change func(*Record) error) (done, unsaved bool, err error) {
	// An end that was seen is written even if the worker ends just now.
	if _, err := w.take(context.WithoutCancel(ctx), e.id); err != nil {
		return false, false, err
	}
	defer w.release(e)
	r := w.recordOf(e)
	if r == nil || r.Tombstone || r.key() != key {
		return false, false, nil
	}
	next := r.clone()
	if err := change(next); err != nil {
		return false, false, err
	}
	if err := w.write(e, next); err != nil {
		return false, true, err
	}
	return true, false, nil
}

// pause waits so long, or until ctx ends, and says whether it was not cut short.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
