package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/workertest"
)

func TestRestartPolicies(t *testing.T) {
	for name, test := range map[string]struct {
		policy   task.RestartPolicy
		code     int
		restarts int // after five ends
		want     task.State
	}{
		"no, failed":              {"no", 1, 0, task.Failed},
		"none, failed":            {"", 1, 0, task.Failed},
		"no, completed":           {"no", 0, 0, task.Completed},
		"on-failure, failed":      {"on-failure", 1, 5, task.Running},
		"on-failure, completed":   {"on-failure", 0, 0, task.Completed},
		"on-failure:2, failed":    {"on-failure:2", 1, 2, task.Failed},
		"always, failed":          {"always", 1, 5, task.Running},
		"always, completed":       {"always", 0, 5, task.Running},
		"unless-stopped, as book": {"unless-stopped", 0, 5, task.Running},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, nil)
				id := uuid.New()
				event := startOf(id, 1)
				event.Task.RestartPolicy = test.policy
				m.submit(event)
				for restart := range 5 {
					m.runtime.Exit(keyOf(id, 1, restart), test.code)
					pass(2 * time.Minute)
				}
				got := m.settle(id)
				wantState(t, got, test.want)
				if got.RestartCount != test.restarts || m.runtime.StartsOf(id) != test.restarts+1 {
					t.Errorf("RestartCount %d after %d starts; want %d restarts", got.RestartCount, m.runtime.StartsOf(id), test.restarts)
				}
				// What was before is removed once its successor runs.
				if known := m.runtime.Known(); len(known) != 1 || known[0] != keyOf(id, 1, test.restarts) {
					t.Errorf("on the machine: %v; want only the last run", known)
				}
			})
		})
	}
}

func TestBackoffDoublesAndIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		event := startOf(id, 1)
		event.Task.RestartPolicy = task.RestartAlways
		m.submit(event)
		restart := 0
		// crash ends the present run and returns how long the next one let
		// wait for itself.
		crash := func() time.Duration {
			m.runtime.Exit(keyOf(id, 1, restart), 1)
			restart++
			got := m.settle(id)
			wantState(t, got, task.Scheduled)
			if !strings.HasPrefix(got.Error, "exited with code 1; starts again after ") || *got.ExitCode != 1 || got.RestartCount != restart {
				t.Errorf("between two runs: %+v", got)
			}
			ended := time.Now()
			for m.runtime.StartsOf(id) == restart {
				if err := m.Changed(t.Context(), m.Generation()); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(ended)
		}
		want := 100 * time.Millisecond
		for range 14 {
			if got := crash(); got != want {
				t.Fatalf("restart %d came after %v; want %v", restart, got, want)
			}
			want = min(2*want, time.Minute)
		}
		pass(11 * time.Second) // steady
		if got := crash(); got != 100*time.Millisecond {
			t.Errorf("after a steady run: %v; want 100ms", got)
		}
	})
}

// A backoff outlives the worker: a crash loop is not sped up by restarts of it.
func TestBackoffSurvivesTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		event := startOf(id, 1)
		event.Task.RestartPolicy = task.RestartAlways
		m.submit(event)
		for restart := range 8 {
			pass(100 * time.Millisecond << restart >> 1) // until it runs
			wantState(t, m.settle(id), task.Running)
			m.runtime.Exit(keyOf(id, 1, restart), 1)
		}
		wantState(t, m.settle(id), task.Scheduled)
		m.kill()
		pass(5 * time.Second)
		m = m.reboot()
		pass(12800*time.Millisecond - 5*time.Second - time.Millisecond)
		wantState(t, m.settle(id), task.Scheduled)
		pass(time.Millisecond)
		wantState(t, m.settle(id), task.Running)
	})
}

func TestStopDuringTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		event := startOf(id, 1)
		event.Task.RestartPolicy = task.RestartAlways
		m.submit(event)
		m.runtime.Exit(keyOf(id, 1, 0), 9)
		wantState(t, m.settle(id), task.Scheduled)
		if m.Allocated() == (task.Resources{}) {
			t.Error("a task that is to start again has given its room away")
		}
		m.stop(id)
		got := m.settle(id)
		wantState(t, got, task.Completed)
		if *got.ExitCode != 9 {
			t.Errorf("exit code %d; want that of its last run", *got.ExitCode)
		}
		pass(time.Hour)
		if n := m.runtime.StartsOf(id); n != 1 || m.Allocated() != (task.Resources{}) {
			t.Errorf("%d starts, %+v allocated", n, m.Allocated())
		}
	})
}

func TestFailedStart(t *testing.T) {
	for policy, starts := range map[task.RestartPolicy]int{"no": 1, "on-failure:3": 4} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				runtime := workertest.NewRuntime()
				runtime.Fault = func(_ context.Context, method string, _ worker.Key) error {
					if method == "Start" {
						tries++
						return errors.New(`no such image: "nginx"`)
					}
					return nil
				}
				m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
				id := uuid.New()
				event := startOf(id, 1)
				event.Task.RestartPolicy = policy
				m.submit(event)
				pass(time.Minute)
				got := m.settle(id)
				wantState(t, got, task.Failed)
				if want := `could not be started: no such image: "nginx"`; got.Error != want || got.ExitCode != nil {
					t.Errorf("error %q, code %v; want %q and no code", got.Error, got.ExitCode, want)
				}
				if tries != starts {
					t.Errorf("tried %d times; want %d", tries, starts)
				}
			})
		})
	}
}
