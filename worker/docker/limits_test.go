package docker_test

import (
	"testing"
	"time"

	"cube/worker"
	"cube/worker/docker"
	"cube/worker/docker/dockertest"
)

func testCpuLimit(t *testing.T, image string) {
	const limit, span = 0.25, 2 * time.Second
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "out", "spinning", "spin", "1m")
	what.Cpu = limit
	start(t, runtime, key, what)
	waitForLine(t, runtime, key, "spinning")
	before, began := usage(t, runtime, key), time.Now()
	<-time.After(span)
	after, took := usage(t, runtime, key), time.Since(began)
	cores := (after.CpuSeconds - before.CpuSeconds) / took.Seconds()
	if cores < 0.8*limit || cores > 1.2*limit {
		t.Errorf("with a limit of %v cores it used %.3f over %v", limit, cores, took)
	}
	t.Logf("limit %v cores, used %.3f over %v", limit, cores, took)
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

func testUsage(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "spin", "300ms", "out", "done", "forever")
	start(t, runtime, key, what)
	waitForLine(t, runtime, key, "done")
	used := usage(t, runtime, key)
	if used.CpuSeconds < 0.1 || used.CpuSeconds > 5 {
		t.Errorf("after spinning for 0.3 s it has used %v CPU seconds", used.CpuSeconds)
	}
	if err := runtime.Stop(t.Context(), key, 0); err != nil {
		t.Fatalf("stop: %v", err)
	}
	// What does not run uses nothing that could be read.
	if used, err := runtime.Usage(t.Context(), key); err == nil && (used.CpuSeconds >= 0 || used.MemoryBytes >= 0) {
		t.Errorf("an ended run uses %+v", used)
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
