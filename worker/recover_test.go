package worker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/wire"
	"cube/worker/workertest"
)

func TestRecovery(t *testing.T) {
	id := uuid.New()
	now := keyOf(id, 1, 0)
	record := func(state, wanted task.State, policy task.RestartPolicy) worker.Record {
		event := startOf(id, 1)
		event.Task.State, event.Task.RestartPolicy = state, policy
		return worker.Record{Task: event.Task, Wanted: wanted}
	}
	for name, test := range map[string]struct {
		record worker.Record
		runs   []worker.Key
		before func(*workertest.Runtime) // what happened while the worker was away
		want   task.State
		code   *int
		starts int          // runs started by the new worker
		known  []worker.Key // what is on the machine afterwards
	}{
		"running goes on": {
			record: record(task.Running, task.Running, ""), runs: []worker.Key{now},
			want: task.Running, known: []worker.Key{now},
		},
		"ended meanwhile": {
			record: record(task.Running, task.Running, ""), runs: []worker.Key{now},
			before: func(r *workertest.Runtime) { r.Exit(now, 4) },
			want:   task.Failed, code: ptr(4), known: []worker.Key{now},
		},
		"gone": {record: record(task.Running, task.Running, ""), want: task.Failed},
		"gone and to be restarted": {
			record: record(task.Running, task.Running, task.RestartAlways),
			want:   task.Running, starts: 1, known: []worker.Key{keyOf(id, 1, 1)},
		},
		"gone and to be stopped": {record: record(task.Running, task.Completed, ""), want: task.Completed},
		"accepted, not started": {
			record: record(task.Scheduled, task.Running, ""), want: task.Running, starts: 1, known: []worker.Key{now},
		},
		"started, not recorded": {
			record: record(task.Scheduled, task.Running, ""), runs: []worker.Key{now},
			want: task.Running, known: []worker.Key{now},
		},
		"started, not recorded, ended": {
			record: record(task.Scheduled, task.Running, ""), runs: []worker.Key{now},
			before: func(r *workertest.Runtime) { r.Exit(now, 0) },
			want:   task.Completed, code: ptr(0), known: []worker.Key{now},
		},
		"started, not recorded, to be stopped": {
			record: record(task.Scheduled, task.Completed, ""), runs: []worker.Key{now},
			want: task.Completed, code: ptr(143), known: []worker.Key{now},
		},
		"to be stopped, not started": {record: record(task.Scheduled, task.Completed, ""), want: task.Completed},
		"a stop was under way": {
			record: record(task.Running, task.Completed, ""), runs: []worker.Key{now},
			want: task.Completed, code: ptr(143), known: []worker.Key{now},
		},
		"an older allocation runs too": {
			record: record(task.Scheduled, task.Running, ""), runs: []worker.Key{keyOf(id, 0, 3)},
			want: task.Running, starts: 1, known: []worker.Key{now},
		},
		"a run of nobody's": {
			record: record(task.Running, task.Running, ""), runs: []worker.Key{now, keyOf(uuid.New(), 1, 0)},
			want: task.Running, known: []worker.Key{now},
		},
		"condemned": {
			record: func() worker.Record {
				r := record(task.Running, task.Running, "")
				r.Unhealthy = "unhealthy"
				return r
			}(),
			runs: []worker.Key{now}, want: task.Failed, code: ptr(143), known: []worker.Key{now},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runtime := workertest.NewRuntime()
				for _, key := range test.runs {
					if _, err := runtime.Start(t.Context(), key, &task.Task{}); err != nil {
						t.Fatal(err)
					}
				}
				if test.before != nil {
					test.before(runtime)
				}
				m := boot(t, func(cfg *worker.Config) {
					cfg.Runtime, cfg.Store = runtime, workertest.NewStore(test.record)
				})
				pass(time.Second) // past the first backoff
				got := m.settle(id)
				wantState(t, got, test.want)
				if (got.ExitCode == nil) != (test.code == nil) || (test.code != nil && *got.ExitCode != *test.code) {
					t.Errorf("exit code %v; want %v, and none invented", got.ExitCode, test.code)
				}
				if got.State == task.Failed && got.Error == "" {
					t.Error("it does not say why it failed")
				}
				if starts := len(runtime.Starts()) - len(test.runs); starts != test.starts {
					t.Errorf("%d runs were started; want %d", starts, test.starts)
				}
				if known := runtime.Known(); !slices.Equal(known, append([]worker.Key{}, test.known...)) {
					t.Errorf("on the machine: %v; want %v", known, test.known)
				}
			})
		})
	}
}

// An engine that is not there does not end the worker: it refuses tasks with the
// reason, and takes up its work when the engine is back.
func TestRuntimeThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := uuid.New()
		event := startOf(id, 1)
		event.Task.State = task.Running
		runtime := workertest.NewRuntime()
		if _, err := runtime.Start(t.Context(), keyOf(id, 1, 0), &task.Task{}); err != nil {
			t.Fatal(err)
		}
		var down atomic.Bool
		down.Store(true)
		runtime.Fault = func(context.Context, string, worker.Key) error {
			if down.Load() {
				return errors.New("cannot connect to the Docker daemon at unix:///var/run/docker.sock")
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) {
			cfg.Runtime = runtime
			cfg.Store = workertest.NewStore(worker.Record{Task: event.Task, Wanted: task.Running})
		})
		wantCode(t, m.Ready(), wire.CodeUnavailable)
		_, _, err := m.Submit(t.Context(), startOf(uuid.New(), 1))
		if wantCode(t, err, wire.CodeUnavailable); !strings.Contains(err.Error(), "cannot connect") {
			t.Errorf("the refusal says %q", err)
		}
		wantState(t, m.settle(id), task.Running) // not known to be anything else
		pass(time.Hour)

		// A stop is taken all the same, and acted on later.
		m.stop(id)
		wantState(t, m.settle(id), task.Running)
		down.Store(false)
		pass(time.Minute)
		wantState(t, m.settle(id), task.Completed)
		if err := m.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		wantState(t, m.submit(startOf(uuid.New(), 1)), task.Running)
	})
}

// An engine that goes away while tasks wait to start fails none of them.
func TestRuntimeThatGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		var down atomic.Bool
		runtime.Fault = func(_ context.Context, method string, _ worker.Key) error {
			if down.Load() {
				return worker.ErrUnavailable
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		down.Store(true)
		id := uuid.New()
		got := m.submit(startOf(id, 1))
		wantState(t, got, task.Scheduled)
		if !strings.Contains(got.Error, "not available") || got.RestartCount != 0 {
			t.Errorf("error %q, restarts %d", got.Error, got.RestartCount)
		}
		wantCode(t, m.Ready(), wire.CodeUnavailable)
		down.Store(false)
		pass(time.Minute)
		got = m.settle(id)
		wantState(t, got, task.Running)
		if got.Error != "" || m.Ready() != nil {
			t.Errorf("error %q, ready %v", got.Error, m.Ready())
		}
	})
}

// alerting is a runtime that notices by itself that it may have gone away.
type alerting struct {
	*workertest.Runtime
	alerts chan struct{}
}

func (a alerting) Alerts() <-chan struct{} { return a.alerts }

// An engine that goes away while no task needs it is noticed all the same.
func TestRuntimeThatSaysSoItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := alerting{workertest.NewRuntime(), make(chan struct{}, 1)}
		var down atomic.Bool
		runtime.Fault = func(context.Context, string, worker.Key) error {
			if down.Load() {
				return worker.ErrUnavailable
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		alert := func() {
			runtime.alerts <- struct{}{}
			synctest.Wait()
		}
		alert()
		if err := m.Ready(); err != nil {
			t.Errorf("nothing was wrong, and it is not ready: %v", err)
		}
		down.Store(true)
		alert()
		wantCode(t, m.Ready(), wire.CodeUnavailable)
		down.Store(false)
		pass(time.Minute)
		if err := m.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
	})
}
