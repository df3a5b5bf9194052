package docker_test

import (
	"testing"
	"time"

	"cube/worker"
	"cube/worker/docker"
	"cube/worker/docker/dockertest"
)

// A busy machine may give a task less than its limit for a while, but nothing
// gives it more.
func testCpuLimit(t *testing.T, image string) {
	const limit, span, attempts = 0.25, 2 * time.Second, 15
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "out", "spinning", "spin", "2m")
	what.Cpu = limit
	start(t, runtime, key, what)
	waitForLine(t, runtime, key, "spinning")
	for range attempts {
		before, began := usage(t, runtime, key), time.Now()
		<-time.After(span)
		after, took := usage(t, runtime, key), time.Since(began)
		cores := (after.CpuSeconds - before.CpuSeconds) / took.Seconds()
		t.Logf("limit %v cores, used %.3f over %v", limit, cores, took)
		if cores > 1.2*limit {
			t.Fatalf("with a limit of %v cores it used %.3f over %v", limit, cores, took)
		}
		if cores >= 0.8*limit {
			return
		}
	}
	t.Errorf("with a limit of %v cores it never used that much", limit)
}

func testMemoryLimit(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))

	t.Run("twice the limit", func(t *testing.T) {
		key, what := newTask(image, "take", "134217728", "forever")
		what.Memory = 64 << 20
		start(t, runtime, key, what)
		exit := wait(t, runtime, key)
		wantCode(t, exit, 137)
		if !exit.OOMKilled {
			t.Error("killed for its memory, and it does not say so")
		}
	})

	t.Run("half the limit", func(t *testing.T) {
		key, what := newTask(image, "take", "33554432", "forever")
		what.Memory = 64 << 20
		start(t, runtime, key, what)
		waitForLine(t, runtime, key, "took 33554432")
		if used := usage(t, runtime, key).MemoryBytes; used < 32<<20 || used > 64<<20 {
			t.Errorf("it took 32 MiB and uses %.1f MiB", used/(1<<20))
		}
	})

	t.Run("killed for another reason", func(t *testing.T) {
		key, what := newTask(image, "deaf", "out", "ready", "forever")
		what.Memory = 64 << 20
		start(t, runtime, key, what)
		waitForLine(t, runtime, key, "ready")
		if err := runtime.Stop(t.Context(), key, 0); err != nil {
			t.Fatalf("stop: %v", err)
		}
		exit := wait(t, runtime, key)
		wantCode(t, exit, 137)
		if exit.OOMKilled {
			t.Error("stopped, and it says that it was killed for its memory")
		}
	})
}

// By the cgroup itself and by way of the engine, usage is the same.
func testUsage(t *testing.T, image string) {
	owner := dockertest.Owner(t)
	direct := newRuntime(t, owner)
	asking := newRuntime(t, owner, func(cfg *docker.Config) { cfg.SysPath = t.TempDir() })
	key, what := newTask(image, "take", "33554432", "spin", "300ms", "out", "done", "forever")
	start(t, direct, key, what)
	waitForLine(t, direct, key, "done")
	first, second := usage(t, direct, key), usage(t, asking, key)
	for _, used := range []worker.Usage{first, second, usage(t, direct, key)} {
		if used.CpuSeconds < 0.01 || used.CpuSeconds > 5 || used.MemoryBytes < 32<<20 || used.MemoryBytes > 64<<20 {
			t.Errorf("after spinning for 0.3 s and taking 32 MiB it has used %+v", used)
		}
	}
	if cpu, memory := second.CpuSeconds-first.CpuSeconds, second.MemoryBytes-first.MemoryBytes; cpu < 0 || cpu > 0.1 || max(memory, -memory) > 4<<20 {
		t.Errorf("the cgroup says %+v, the engine %+v", first, second)
	}
	if err := direct.Stop(t.Context(), key, 0); err != nil {
		t.Fatalf("stop: %v", err)
	}
	for _, runtime := range []*docker.Runtime{direct, asking} {
		if used, err := runtime.Usage(t.Context(), key); err == nil {
			t.Errorf("an ended run uses %+v; want an error", used)
		}
	}
}

func usage(t testing.TB, runtime *docker.Runtime, key worker.Key) worker.Usage {
	t.Helper()
	used, err := runtime.Usage(t.Context(), key)
	if err != nil {
		t.Fatalf("usage: %v", err)
	}
	return used
}
