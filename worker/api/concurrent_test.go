package api_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// 64 clients post, stop, list, read and scrape at once, on some tasks of their
// own and some they share. Afterwards every accepted task is in exactly one
// state, none was started twice, and nothing holds room.
func TestManyClientsAtOnce(t *testing.T) {
	s := serve(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.worker.Collector())
	shared := make([]task.Event, 8)
	for i := range shared {
		shared[i] = event(uuid.New(), 1)
		shared[i].Task.Cpu, shared[i].Task.Memory = 0.01, 1<<10
	}

	const clients, rounds = 64, 4
	var group sync.WaitGroup
	for n := range clients {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			for range rounds {
				if err := oneRound(s, registry, shared, random); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()

	// The shared ones may still run: stop all there are.
	if err := s.worker.StopAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer, err := s.client.Tasks(t.Context(), client.TasksQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range answer.Tasks {
		if got.State != task.Completed {
			t.Errorf("task %v is %s (%s); want completed", got.ID, got.State, got.Error)
		}
		if starts := s.runtime.StartsOf(got.ID); starts > 1 {
			t.Errorf("task %v was started %d times", got.ID, starts)
		}
	}
	if running := s.runtime.Running(); len(running) != 0 {
		t.Errorf("still running: %v", running)
	}
	if left := s.worker.Allocated(); left != (task.Resources{}) {
		t.Errorf("still allocated: %+v", left)
	}
	if want := clients*rounds + len(shared); len(answer.Tasks) != want {
		t.Errorf("%d tasks; want %d", len(answer.Tasks), want)
	}
}

// oneRound does one of everything, and returns what should not have happened.
func oneRound(s *server, registry *prometheus.Registry, shared []task.Event, random *rand.Rand) error {
	ctx := s.t.Context()
	own := event(uuid.New(), 1)
	own.Task.Cpu, own.Task.Memory = 0.01, 1<<10
	if _, err := s.client.Submit(ctx, own); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	other := shared[random.IntN(len(shared))]
	_, err := s.client.Submit(ctx, other)
	if err != nil && !errors.Is(err, wire.New(wire.CodeIllegalTransition, "")) { // stopped by somebody
		return fmt.Errorf("submit a shared one: %w", err)
	}
	if random.IntN(8) == 0 {
		if err := s.client.Stop(ctx, other.Task.ID, &other.Task.Allocation); err != nil {
			return fmt.Errorf("stop a shared one: %w", err)
		}
	}
	if _, err := s.client.Tasks(ctx, client.TasksQuery{}); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if _, err := registry.Gather(); err != nil {
		return fmt.Errorf("scrape: %w", err)
	}
	logs, err := s.client.Logs(ctx, own.Task.ID, client.LogQuery{Tail: -1})
	switch {
	case err == nil:
		_, _ = io.Copy(io.Discard, logs)
		_ = logs.Close()
	case !errors.Is(err, wire.New(wire.CodeNotFound, "")): // not started yet
		return fmt.Errorf("logs: %w", err)
	}
	if err := s.client.Stop(ctx, own.Task.ID, nil); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}
