package docker_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"cube/worker"
	"cube/worker/docker"
	"cube/worker/docker/dockertest"
)

// An engine crashes and comes up again: what ended meanwhile is seen with its
// own exit code, what runs on is still waited for.
func TestEngineRestarts(t *testing.T) {
	engine := dockertest.NewPrivate(t)
	image := engine.Image()
	runtime := newRuntime(t, "me", func(cfg *docker.Config) { cfg.Host = engine.Host })
	endsKey, ends := newTask(image, "term", "9", "out", "ready", "forever")
	runsKey, runs := newTask(image, "term", "7", "out", "ready", "forever")
	start(t, runtime, endsKey, ends)
	running := start(t, runtime, runsKey, runs)
	waitForLine(t, runtime, endsKey, "ready")
	waitForLine(t, runtime, runsKey, "ready")
	ended, other := waiting(t, runtime, endsKey), waiting(t, runtime, runsKey)
	pid := pidOf(t, engine.Client, endsKey)

	engine.Kill()
	if _, err := runtime.List(t.Context()); err == nil || errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("with the engine down the list is said to be known: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatalf("end the task behind the engine's back: %v", err)
	}
	eventually(t, 10*time.Second, "the task has ended", func() bool { return syscall.Kill(pid, 0) != nil })
	engine.Start()

	select {
	case exit := <-ended:
		wantCode(t, exit, 9)
	case <-time.After(30 * time.Second):
		t.Fatal("what ended while the engine was down is not seen")
	}
	if again := only(t, runtime, runsKey); again.Exit != nil || again.Handle != running.Handle || !again.StartTime.Equal(running.StartTime) {
		t.Errorf("what runs on is listed as %+v; it started as %+v", again, running)
	}
	if err := runtime.Stop(t.Context(), runsKey, time.Minute); err != nil {
		t.Fatalf("stop: %v", err)
	}
	wantCode(t, <-other, 7)
	for _, key := range []worker.Key{endsKey, runsKey} {
		if err := runtime.Remove(t.Context(), key); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
}

// pidOf is the process on the machine that is a container's first.
func pidOf(t *testing.T, engine *client.Client, key worker.Key) int {
	t.Helper()
	c, err := engine.ContainerInspect(t.Context(), "cube-"+key.String())
	if err != nil || c.State == nil || c.State.Pid == 0 {
		t.Fatalf("inspect: %+v, %v", c.State, err)
	}
	return c.State.Pid
}
