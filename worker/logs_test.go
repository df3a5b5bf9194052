package worker_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/wire"
	"cube/worker/workertest"
)

func (m *machine) output(id uuid.UUID, opts worker.LogOptions) string {
	m.t.Helper()
	logs, err := m.Logs(m.t.Context(), id, opts)
	if err != nil {
		m.t.Fatal(err)
	}
	defer logs.Close()
	text, err := io.ReadAll(logs)
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestLogsAreThoseOfTheLastRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		id := uuid.New()
		event := startOf(id, 1)
		event.Task.RestartPolicy = "on-failure:1"
		m.submit(event)
		for _, step := range []struct {
			do   func()
			want worker.Key
		}{
			{func() {}, keyOf(id, 1, 0)},
			{func() { m.runtime.Exit(keyOf(id, 1, 0), 1) }, keyOf(id, 1, 0)}, // waits for its restart
			{func() { pass(time.Second) }, keyOf(id, 1, 1)},
			{func() { m.runtime.Exit(keyOf(id, 1, 1), 1) }, keyOf(id, 1, 1)},
			{func() { m = m.reboot() }, keyOf(id, 1, 1)},
		} {
			step.do()
			m.settle(id)
			if got := m.output(id, worker.LogOptions{}); got != "output of "+step.want.String() {
				t.Errorf("got %q; want that of run %v", got, step.want)
			}
		}
	})
}

func TestLogsOfATaskThatIsStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		runtime.Fault = func(ctx context.Context, method string, _ worker.Key) error {
			if method == "Start" {
				pass(time.Minute)
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		id := uuid.New()
		m.submit(startOf(id, 1))
		_, err := m.Logs(t.Context(), id, worker.LogOptions{})
		wantCode(t, err, wire.CodeNotFound)
		time.AfterFunc(2*time.Minute, func() { runtime.Exit(keyOf(id, 1, 0), 0) })
		if got := m.output(id, worker.LogOptions{Follow: true}); got != "output of "+keyOf(id, 1, 0).String() {
			t.Errorf("followed: %q", got)
		}
		_, err = m.Logs(t.Context(), uuid.New(), worker.LogOptions{Follow: true})
		wantCode(t, err, wire.CodeNotFound)
	})
}

func TestLogsOfATaskThatNeverRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		runtime.Fault = func(_ context.Context, method string, _ worker.Key) error {
			if method == "Start" {
				return errors.New("no such image")
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		id := uuid.New()
		wantState(t, m.submit(startOf(id, 1)), task.Failed)
		_, err := m.Logs(t.Context(), id, worker.LogOptions{Follow: true})
		if wantCode(t, err, wire.CodeNotFound); !strings.Contains(err.Error(), "no such image") {
			t.Errorf("it says %q", err)
		}
	})
}
