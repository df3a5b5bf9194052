package docker_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"cube/worker"
	"cube/worker/docker"
	"cube/worker/docker/dockertest"
)

// through connects by way of the proxy.
func through(p *proxy) func(*docker.Config) {
	return func(cfg *docker.Config) { cfg.Host = p.host }
}

// waiting waits for a run in the background.
func waiting(t *testing.T, runtime *docker.Runtime, key worker.Key) <-chan worker.Exit {
	t.Helper()
	exits := make(chan worker.Exit, 1)
	go func() {
		exit, err := runtime.Wait(t.Context(), key)
		if err != nil && t.Context().Err() == nil {
			t.Errorf("wait: %v", err)
		}
		exits <- exit
	}()
	return exits
}

func testEventsLost(t *testing.T, image string) {
	engine, engineProxy := dockertest.Client(t), newProxy(t)
	runtime := newRuntime(t, dockertest.Owner(t), through(engineProxy))
	endsKey, ends := newTask(image, "term", "9", "out", "ready", "forever")
	runsKey, runs := newTask(image, "term", "8", "out", "ready", "forever")
	start(t, runtime, endsKey, ends)
	start(t, runtime, runsKey, runs)
	waitForLine(t, runtime, endsKey, "ready")
	waitForLine(t, runtime, runsKey, "ready")
	before, other := waiting(t, runtime, endsKey), waiting(t, runtime, runsKey)

	engineProxy.cut(true)
	during := waiting(t, runtime, endsKey) // begun while the engine is away
	kill(t, engine, endsKey)
	engineProxy.cut(false)

	for name, exits := range map[string]<-chan worker.Exit{"before the cut": before, "during the cut": during} {
		select {
		case exit := <-exits:
			wantCode(t, exit, 9)
		case <-time.After(30 * time.Second):
			t.Fatalf("who began to wait %s waits on, 30 s after the connection is back", name)
		}
	}
	select {
	case exit := <-other:
		t.Fatalf("the one that runs is said to have ended: %+v", exit)
	default:
	}
	// What ends after the connection is back is seen as before.
	kill(t, engine, runsKey)
	select {
	case exit := <-other:
		wantCode(t, exit, 8)
	case <-time.After(30 * time.Second):
		t.Fatal("the second end is not seen")
	}
}

// kill sends SIGTERM past the runtime, and returns when the container has
// ended.
func kill(t *testing.T, engine *client.Client, key worker.Key) {
	t.Helper()
	name := "cube-" + key.String()
	if err := engine.ContainerKill(t.Context(), name, "SIGTERM"); err != nil {
		t.Fatalf("kill: %v", err)
	}
	ended, failed := engine.ContainerWait(t.Context(), name, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failed:
		t.Fatalf("wait for %s: %v", name, err)
	}
}

// The engine does what it was asked for, but the answer is lost and the
// engine away. The next start of the same key finds what there is: it does not
// run twice.
func testStartLost(t *testing.T, image string) {
	engine := dockertest.Client(t)
	for _, path := range []string{"/create", "/start", "/json"} {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			engineProxy := newProxy(t)
			runtime := newRuntime(t, dockertest.Owner(t), through(engineProxy))
			key, what := newTask(image, "forever")
			if path == "/json" {
				path = key.String() + path // the inspection after the start, not the listing
			}
			engineProxy.losing(path, nil)
			if run, err := runtime.Start(t.Context(), key, what); !errors.Is(err, worker.ErrUnavailable) {
				t.Fatalf("started as %+v, %v, though the answer was lost; want ErrUnavailable", run, err)
			}
			there, err := engine.ContainerInspect(t.Context(), "cube-"+key.String())
			if err != nil {
				t.Fatalf("the engine was not asked: %v", err)
			}
			engineProxy.cut(false)
			run := start(t, runtime, key, what)
			if run.Exit != nil {
				t.Errorf("started again as %+v", run)
			}
			if there.State.Running && (run.Handle != there.ID || run.StartTime.Format(time.RFC3339Nano) != there.State.StartedAt) {
				t.Errorf("started again as %+v; want what ran already, %s of %s", run, there.ID, there.State.StartedAt)
			}
		})
	}
}

// Who asked for it no longer wants it, and nothing can be undone now: it is
// undone when the engine is back.
func testStopWhileAStartIsLost(t *testing.T, image string) {
	engine, engineProxy := dockertest.Client(t), newProxy(t)
	runtime := newRuntime(t, dockertest.Owner(t), through(engineProxy))
	key, what := newTask(image, "forever")
	ctx, cancel := context.WithCancel(t.Context())
	engineProxy.losing("/start", cancel)
	if run, err := runtime.Start(ctx, key, what); err == nil {
		t.Fatalf("started as %+v, though the answer was lost", run)
	}
	if c, err := engine.ContainerInspect(t.Context(), "cube-"+key.String()); err != nil || !c.State.Running {
		t.Fatalf("the engine has not started it: %v", err)
	}
	engineProxy.cut(false)
	eventually(t, 30*time.Second, "what the failed start left is removed", func() bool {
		_, err := engine.ContainerInspect(t.Context(), "cube-"+key.String())
		return errdefs.IsNotFound(err)
	})
	// The same key can be started again.
	if run := start(t, runtime, key, what); run.Exit != nil {
		t.Errorf("started again as %+v", run)
	}
}

// While the engine is away, everything but Wait says so.
func testEngineAway(t *testing.T, image string) {
	engineProxy := newProxy(t)
	runtime := newRuntime(t, dockertest.Owner(t), through(engineProxy))
	key, what := newTask(image, "forever")
	start(t, runtime, key, what)
	other, otherTask := newTask(image, "forever")
	engineProxy.cut(true)
	for name, call := range map[string]func(context.Context) error{
		"start":  func(ctx context.Context) error { _, err := runtime.Start(ctx, other, otherTask); return err },
		"stop":   func(ctx context.Context) error { return runtime.Stop(ctx, key, 0) },
		"remove": func(ctx context.Context) error { return runtime.Remove(ctx, key) },
		"logs":   func(ctx context.Context) error { _, err := runtime.Logs(ctx, key, all()); return err },
		"list":   func(ctx context.Context) error { _, err := runtime.List(ctx); return err },
		"exec":   func(ctx context.Context) error { _, err := runtime.Exec(ctx, key, []string{"x"}); return err },
	} {
		if err := call(t.Context()); !errors.Is(err, worker.ErrUnavailable) || errors.Is(err, worker.ErrUnknownRun) {
			t.Errorf("%s: %v; want ErrUnavailable", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if exit, err := runtime.Wait(ctx, key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait: %+v, %v; want it to wait on", exit, err)
	}
}

func testRemovedBySomebodyElse(t *testing.T, image string) {
	engine := dockertest.Client(t)
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "deaf", "forever")
	run := start(t, runtime, key, what)
	exits := make(chan error, 1)
	go func() {
		exit, err := runtime.Wait(t.Context(), key)
		if err == nil && (exit.Code == nil || *exit.Code != 137) {
			err = errors.New("it ended without the code of a kill")
		}
		exits <- err
	}()
	if err := engine.ContainerRemove(t.Context(), run.Handle, container.RemoveOptions{Force: true}); err != nil {
		t.Fatalf("remove: %v", err)
	}
	// The wait may have begun after all was over: then the run is unknown.
	if err := <-exits; err != nil && !errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("wait: %v", err)
	}
}

func testClose(t *testing.T, image string) {
	owner := dockertest.Owner(t)
	runtime, err := docker.New(t.Context(), docker.Config{Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	key, what := newTask(image, "out", "ready", "forever")
	start(t, runtime, key, what)
	waitForLine(t, runtime, key, "ready")
	logs, err := runtime.Logs(t.Context(), key, worker.LogOptions{Follow: true, Tail: 0})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() {
		_, err := runtime.Wait(t.Context(), key)
		ended <- err
	}()
	go func() {
		_, err := logs.Read(make([]byte, 1))
		ended <- err
	}()
	if err := runtime.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for range cap(ended) {
		if err := <-ended; err == nil {
			t.Error("a call that was blocked when the runtime was closed returned no error")
		}
	}
	// The container is left as it was.
	if runs, err := newRuntime(t, owner).List(t.Context()); err != nil || len(runs) != 1 || runs[0].Exit != nil {
		t.Errorf("after the close there is %+v, %v; want the run running", runs, err)
	}
}

func TestNoEngine(t *testing.T) {
	t.Run("nothing there", func(t *testing.T) {
		host := "unix://" + filepath.Join(t.TempDir(), "none.sock")
		_, err := docker.New(t.Context(), docker.Config{Owner: "me", Host: host})
		wantNoEngine(t, err, host)
	})
	t.Run("silence", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "silent.sock")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := listener.Close(); err != nil {
				t.Error(err)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err = docker.New(ctx, docker.Config{Owner: "me", Host: "unix://" + path})
		wantNoEngine(t, err, "unix://"+path)
	})
	t.Run("no address", func(t *testing.T) {
		if _, err := docker.New(t.Context(), docker.Config{Owner: "me", Host: "nonsense"}); err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("got %v; want an error that names the address", err)
		}
	})
	t.Run("no owner", func(t *testing.T) {
		if _, err := docker.New(t.Context(), docker.Config{}); err == nil || !strings.Contains(err.Error(), "owner") {
			t.Errorf("got %v; want an error that says so", err)
		}
	})
}

// wantNoEngine wants one line that names the address.
func wantNoEngine(t *testing.T, err error, host string) {
	t.Helper()
	if !errors.Is(err, docker.ErrNoEngine) {
		t.Fatalf("got %v; want ErrNoEngine", err)
	}
	if !strings.Contains(err.Error(), host) || strings.ContainsRune(err.Error(), '\n') {
		t.Errorf("the error %q is not one line that names %s", err, host)
	}
	t.Log(err)
}
