package worker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/workertest"
)

// The fake runtime says of every run that it has used a second of CPU and a MiB.
func TestUseIsTheSumOfTheTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		failing := false
		runtime.Fault = func(_ context.Context, method string, _ worker.Key) error {
			if method == "Usage" && failing {
				return errors.New("its cgroup is gone")
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		want := func(when string, cpuSeconds, memory float64) {
			t.Helper()
			if got := m.Use(); got != (worker.Usage{CpuSeconds: cpuSeconds, MemoryBytes: memory}) {
				t.Errorf("%s: %+v; want %v s and %v bytes", when, got, cpuSeconds, memory)
			}
		}
		want("with no task", 0, 0)
		first, second := uuid.New(), uuid.New()
		m.submit(startOf(first, 1))
		m.submit(startOf(second, 1))
		want("with two", 2, 2<<20)
		want("once more", 2, 2<<20)
		m.stop(first)
		m.settle(first)
		want("after the end of one", 2, 1<<20)
		failing = true
		want("when it cannot be read", 2, 0)
		failing = false
		want("when it can again", 2, 1<<20)
		m.submit(startOf(uuid.New(), 1))
		want("with another one", 3, 2<<20)
	})
}
