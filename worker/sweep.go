package worker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"cube/worker/task"
)

// discard has a run that no task needs any more stopped, if it runs, and
// removed. The caller holds mu.
func (w *Worker) discard(key Key) {
	w.litter[key] = struct{}{}
	wake(w.sweepNow)
}

// discardStale discards what is left of a task's earlier runs, now that the run
// key is there.
func (w *Worker) discardStale(e *entry, key Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keep []Key
	for _, old := range e.stale {
		if old == key {
			keep = append(keep, old) // superseded this very moment: stopped by the next start
		} else {
			w.discard(old)
		}
	}
	e.stale = keep
}

// stopStale stops the task's earlier runs, so that never two run at once. They
// are kept, for their output, until key has started.
func (w *Worker) stopStale(ctx context.Context, e *entry, key Key) error {
	w.mu.Lock()
	stale := slices.Clone(e.stale)
	grace := e.record.Task.Grace()
	w.mu.Unlock()
	for _, old := range stale {
		if old == key {
			continue
		}
		if err := w.runtime.Stop(ctx, old, grace); err != nil {
			return fmt.Errorf("its earlier run %v could not be stopped: %w", old, err)
		}
	}
	return nil
}

// sweep removes litter as it falls, and tries again what could not be removed.
func (w *Worker) sweep(ctx context.Context) {
	failures := 0
	for {
		err := w.sweepOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		var retry <-chan time.Time
		if err != nil {
			w.log.Warn("What is left of a run could not be removed", "error", err)
			retry = time.After(retryDelay(failures))
			failures++
		} else {
			failures = 0
		}
		select {
		case <-w.sweepNow:
		case <-retry:
		case <-ctx.Done():
			return
		}
	}
}

// sweepOnce removes all the litter there is, and returns one of the errors.
func (w *Worker) sweepOnce(ctx context.Context) error {
	w.mu.Lock()
	keys := make([]Key, 0, len(w.litter))
	for key := range w.litter {
		keys = append(keys, key)
	}
	w.mu.Unlock()

	var group errgroup.Group
	group.SetLimit(cap(w.starts))
	for _, key := range keys {
		group.Go(func() error {
			if err := w.runtime.Stop(ctx, key, time.Duration(task.DefaultStopTimeout)); err != nil {
				return fmt.Errorf("run %v could not be stopped: %w", key, err)
			}
			if err := w.runtime.Remove(ctx, key); err != nil {
				return fmt.Errorf("run %v could not be removed: %w", key, err)
			}
			w.mu.Lock()
			delete(w.litter, key)
			w.mu.Unlock()
			return nil
		})
	}
	return group.Wait()
}
