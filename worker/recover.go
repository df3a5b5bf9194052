package worker

import (
	"context"
	"time"
)

// listTimeout bounds how long the runtime may take to say what it has.
const listTimeout = 30 * time.Second

// recover asks the runtime what it has, and compares that with the records when
// it is the first time. Running tasks are adopted and the ends of others taken by
// their goroutines; what belongs to no record is litter. The error is why the
// runtime cannot be used.
func (w *Worker) recover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	runs, err := w.runtime.List(ctx)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.unusable = err
	if err != nil || w.recovered {
		return err
	}
	for i := range runs {
		w.sort(&runs[i])
	}
	w.recovered = true
	w.setDriving()
	return nil
}

// sort finds out what a run that was there when the worker started is to it. The
// caller holds mu.
func (w *Worker) sort(run *Run) {
	e := w.tasks[run.Key.Task]
	switch {
	case e == nil || e.record == nil || e.record.Tombstone:
		w.discard(run.Key)
	case run.Key == e.record.key():
		if e.record.live() {
			e.survivor = run
		} else if run.Exit == nil {
			w.discard(run.Key) // it has ended by our record: somebody else started it
		}
	case e.record.live():
		// An older run. If the present one is still to start, the older
		// one is to be out of its way first.
		e.stale = append(e.stale, run.Key)
	default:
		w.discard(run.Key)
	}
}

// found returns the run that the worker lost sight of when it was killed, once.
func (w *Worker) found(e *entry, key Key) *Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	run := e.survivor
	e.survivor = nil
	if run == nil || run.Key != key {
		return nil
	}
	return run
}

// outage notes that the runtime is not available, and has that looked at.
func (w *Worker) outage(err error) {
	w.mu.Lock()
	w.unusable = err
	w.mu.Unlock()
	wake(w.reconnect)
}

// keepRuntime asks a runtime that is not available, or may not be, again and
// again, in growing intervals, until it is.
func (w *Worker) keepRuntime(ctx context.Context) {
	if w.Ready() != nil {
		wake(w.reconnect)
	}
	var alerts <-chan struct{}
	if alerter, able := w.runtime.(Alerter); able {
		alerts = alerter.Alerts()
	}
	for {
		select {
		case <-w.reconnect:
		case <-alerts:
		case <-ctx.Done():
			return
		}
		for failures := 0; ; failures++ {
			err := w.recover(ctx)
			if err == nil {
				w.log.Info("The runtime can be used", "runtime", w.runtime.Name())
				break
			}
			w.log.Warn("The runtime cannot be used", "runtime", w.runtime.Name(), "error", err)
			if !pause(ctx, retryDelay(failures)) {
				return
			}
		}
	}
}

// wake leaves word in a channel of one place; who comes later finds it.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
