package worker

import (
	"context"
	"fmt"
	"time"

	"cube/worker/task"
)

// The backoff of restarts, after Docker's: the first comes after firstBackoff,
// each next after twice the time, up to maxBackoff; a run that lasted
// steadyRun sets it back.
const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = time.Minute
	steadyRun    = 10 * time.Second
)

// nextBackoff is how long the next start waits, after a run that took ran and
// was itself started after last.
func nextBackoff(last, ran time.Duration) time.Duration {
	if last == 0 || ran >= steadyRun {
		return firstBackoff
	}
	return min(2*last, maxBackoff)
}

// retryDelay is how long to wait before something that failed is tried again:
// 100 ms, 200 ms … 30 s.
func retryDelay(failures int) time.Duration {
	return min(100*time.Millisecond<<min(failures, 20), 30*time.Second)
}

// untilStart is how long the present run is still to wait. A clock that was set
// back does not make it longer than its backoff.
func (r *Record) untilStart(now time.Time) time.Duration {
	if r.Backoff == 0 {
		return 0
	}
	return min(r.Task.FinishTime.Add(r.Backoff).Sub(now), r.Backoff)
}

// ended records how a run ended, and that it is to start again where its policy
// says so.
func (w *Worker) ended(ctx context.Context, e *entry, key Key, exit Exit) error {
	var after Record
	done, err := w.edit(ctx, e, key, func(r *Record) error {
		if err := r.over(exit); err != nil {
			return err
		}
		after = *r
		return nil
	})
	if !done {
		return err
	}
	t := &after.Task
	w.mu.Lock()
	if exit.OOMKilled {
		w.oomKills++
	}
	if !t.State.Ended() {
		w.restarts++
		e.stale = append(e.stale, key) // its output is kept until the next run starts
	}
	w.mu.Unlock()
	if t.State.Ended() {
		w.wakeRetire()
	}
	w.log.Info("Task's run ended", "task", t.ID, "name", t.Name, "run", key, "state", t.State, "exit_code", codeText(exit.Code), "error", t.Error)
	return nil
}

// over makes the record that of a run that has ended. A requested stop is
// completed whatever the exit code; otherwise 0 is, and anything else is failed.
func (r *Record) over(exit Exit) error {
	t := &r.Task
	var ran time.Duration
	if t.State == task.Running {
		ran = exit.Time.Sub(t.StartTime)
	}
	state, reason := r.outcome(exit)
	t.FinishTime, t.ExitCode, t.OOMKilled, t.Error = exit.Time, exit.Code, exit.OOMKilled, reason
	t.HostPorts = nil
	if t.FinishTime.IsZero() {
		t.FinishTime = time.Now()
	}
	r.Unhealthy = ""
	if r.Wanted == task.Completed || !t.RestartPolicy.Again(state, t.RestartCount) {
		return r.move(state)
	}
	if err := r.move(state, task.Scheduled); err != nil {
		return err
	}
	t.RestartCount++
	r.Backoff = nextBackoff(r.Backoff, ran)
	if reason == "" {
		reason = "completed"
	}
	t.Error = fmt.Sprintf("%s; starts again after %v", reason, r.Backoff)
	return nil
}

// outcome is the state that an ended run leaves its task in, and why it failed.
func (r *Record) outcome(exit Exit) (task.State, string) {
	switch {
	case r.Wanted == task.Completed:
		return task.Completed, ""
	case r.Unhealthy != "":
		return task.Failed, r.Unhealthy
	case exit.Code != nil && *exit.Code == 0:
		return task.Completed, ""
	case exit.Error != "":
		return task.Failed, exit.Error
	case exit.OOMKilled:
		return task.Failed, fmt.Sprintf("killed for want of memory; its limit is %v", r.Task.Memory)
	case exit.Code == nil:
		return task.Failed, "how it ended is not known"
	}
	return task.Failed, fmt.Sprintf("exited with code %d", *exit.Code)
}

// codeText writes an exit code for the log.
func codeText(code *int) string {
	if code == nil {
		return "unknown"
	}
	return fmt.Sprint(*code)
}
