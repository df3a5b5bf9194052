package docker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"cube/worker"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
)

func testStartIsIdempotent(t *testing.T, image string) {
	engine := dockertest.Client(t)
	owner := dockertest.Owner(t)
	runtime := newRuntime(t, owner)

	t.Run("while it runs", func(t *testing.T) {
		key, what := newTask(image, "forever")
		first := start(t, runtime, key, what)
		// By the same worker, and by one that was started after a crash.
		for _, again := range []starter{runtime, newRuntime(t, owner)} {
			if run, err := again.Start(t.Context(), key, what); err != nil || run.Handle != first.Handle || !run.StartTime.Equal(first.StartTime) {
				t.Errorf("started again as %+v, %v; the first was %+v", run, err, first)
			}
		}
	})

	t.Run("after it has ended", func(t *testing.T) {
		key, what := newTask(image, "exit", "4")
		first := start(t, runtime, key, what)
		wait(t, runtime, key)
		run, err := runtime.Start(t.Context(), key, what)
		if err != nil || run.Handle != first.Handle || !run.StartTime.Equal(first.StartTime) || run.Exit == nil || *run.Exit.Code != 4 {
			t.Errorf("started again as %+v, %v; want the ended run %+v", run, err, first)
		}
	})

	t.Run("at the same time", func(t *testing.T) {
		key, what := newTask(image, "forever")
		handles := make(chan string, 8)
		for range cap(handles) {
			go func() {
				run, err := runtime.Start(t.Context(), key, what)
				if err != nil {
					t.Errorf("start: %v", err)
				}
				handles <- run.Handle
			}()
		}
		first := <-handles
		for range cap(handles) - 1 {
			if handle := <-handles; handle != first {
				t.Errorf("started as %s and as %s", first, handle)
			}
		}
	})

	t.Run("after a crash between create and start", func(t *testing.T) {
		owner := dockertest.Owner(t)
		key, what := newTask(image, "forever")
		if _, err := engine.ContainerCreate(t.Context(), &container.Config{
			Image: image, Cmd: what.Command, Labels: map[string]string{dockertest.OwnerLabel: owner},
		}, nil, nil, nil, "cube-"+key.String()); err != nil {
			t.Fatalf("create: %v", err)
		}
		// The container that was there, or another in its place.
		runtime := newRuntime(t, owner)
		run := start(t, runtime, key, what)
		if c, err := engine.ContainerInspect(t.Context(), "cube-"+key.String()); err != nil || c.ID != run.Handle || !c.State.Running {
			t.Errorf("started as %+v; there is %+v, %v", run, c.State, err)
		}
	})

	t.Run("what was never started goes", func(t *testing.T) {
		key, what := newTask(image, "forever")
		name := "cube-" + key.String()
		if _, err := engine.ContainerCreate(t.Context(), &container.Config{
			Image: image, Cmd: what.Command, Labels: map[string]string{dockertest.OwnerLabel: owner},
		}, nil, nil, nil, name); err != nil {
			t.Fatalf("create: %v", err)
		}
		newRuntime(t, owner)
		eventually(t, 10*time.Second, "the container is removed", func() bool {
			_, err := engine.ContainerInspect(t.Context(), name)
			return errdefs.IsNotFound(err)
		})
	})
}

// The engine's list may be older than the start of what it lists.
func testSweepByAnOldList(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "forever")
	run := start(t, runtime, key, what)
	old := []container.Summary{{ID: run.Handle, Names: []string{"/cube-" + key.String()}, State: container.StateCreated}}
	newer := []container.Summary{{ID: run.Handle, Names: []string{"/cube-" + key.String()}, State: container.StateRunning}}
	for _, listed := range [][]container.Summary{old, newer, old} {
		runtime.Sweep(t.Context(), listed)
	}
	if runs, err := runtime.List(t.Context()); err != nil || len(runs) != 1 || runs[0].Exit != nil {
		t.Errorf("there is %+v, %v; want the run running", runs, err)
	}
	// It may even have ended since: its exit code is kept.
	if err := runtime.Stop(t.Context(), key, 0); err != nil {
		t.Fatal(err)
	}
	runtime.Sweep(t.Context(), old)
	if exit := wait(t, runtime, key); exit.Code == nil {
		t.Errorf("how it ended is lost: %+v", exit)
	}
}

// A worker that was killed between making a container and starting it may have
// left the request to start it with the engine. A stop undoes that.
func testStopOfOneNeverStarted(t *testing.T, image string) {
	engine, owner := dockertest.Client(t), dockertest.Owner(t)
	runtime := newRuntime(t, owner)
	key, what := newTask(image, "forever")
	name := "cube-" + key.String()
	made, err := engine.ContainerCreate(t.Context(), &container.Config{
		Image: image, Cmd: what.Command, Labels: map[string]string{dockertest.OwnerLabel: owner},
	}, nil, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.Stop(t.Context(), key, time.Second); err != nil {
		t.Fatal(err)
	}
	// The sweep may be removing it at the same time; until it has, the engine
	// says that it is marked for removal. At no time does it start.
	eventually(t, 10*time.Second, "it is gone", func() bool {
		err := engine.ContainerStart(t.Context(), made.ID, container.StartOptions{})
		if !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			t.Fatalf("starting it later: %v; want it refused", err)
		}
		return errdefs.IsNotFound(err)
	})
}

// A request is on its way to the engine when the start it was for is given up, or
// when its worker is killed and the next one stops the task. It is done all the
// same, when everybody has looked for what is left: the container goes again, and
// is never started.
func testRequestUnderWay(t *testing.T, image string) {
	engine := dockertest.Client(t)
	for _, test := range []struct {
		path   string
		killed bool
	}{{"/create", false}, {"/create", true}, {"/start", false}, {"/start", true}} {
		t.Run(fmt.Sprintf("%s/killed=%v", test.path[1:], test.killed), func(t *testing.T) {
			owner, engineProxy := dockertest.Owner(t), newProxy(t)
			first := newRuntime(t, owner, through(engineProxy))
			key, what := newTask(image, "forever")
			request := engineProxy.keeping(test.path)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := first.Start(ctx, key, what)
				ended <- err
			}()
			<-request.sent
			if test.killed {
				engineProxy.cut(true) // it does nothing from here on
				if err := newRuntime(t, owner).Stop(t.Context(), key, 0); err != nil {
					t.Fatal(err)
				}
			}
			cancel()
			if err := <-ended; err == nil {
				t.Fatal("a start that was given up has succeeded")
			}
			status := request.goOn()
			if made := status == http.StatusCreated; made != (test.path == "/create") || status == http.StatusNoContent {
				t.Errorf("the engine answers %d", status)
			}
			eventually(t, 20*time.Second, "the container is gone", func() bool {
				c, err := engine.ContainerInspect(t.Context(), "cube-"+key.String())
				if err == nil && c.State.Status == container.StateRunning {
					t.Fatal("it was started")
				}
				return errdefs.IsNotFound(err)
			})
		})
	}
}

func testStartFailsCleanly(t *testing.T, image string) {
	engine := dockertest.Client(t)
	owner := dockertest.Owner(t)
	runtime := newRuntime(t, owner)
	for _, test := range []struct {
		name   string
		change func(*task.Task)
		want   []string // what the error has to name
	}{
		{"no image", func(t *task.Task) { t.Image = "" }, []string{"no Image"}},
		{"missing image, never pulled", func(t *task.Task) { t.Image = "cube-test-missing:1" }, []string{`"cube-test-missing:1"`, "pull policy is never"}},
		{"missing image, no registry", func(t *task.Task) {
			t.Image, t.ImagePullPolicy = "127.0.0.1:9/cube-test-missing:1", ""
		}, []string{`"127.0.0.1:9/cube-test-missing:1"`, "could not be pulled", "connection refused"}},
		{"always pulled, no registry", func(t *task.Task) {
			t.Image, t.ImagePullPolicy = "127.0.0.1:9/cube-test-missing:1", "always"
		}, []string{`"127.0.0.1:9/cube-test-missing:1"`, "could not be pulled"}},
		{"not an image", func(t *task.Task) { t.Image, t.ImagePullPolicy = "No Such", "" }, []string{"No Such"}},
		{"unknown user", func(t *task.Task) { t.User = "nobody-of-that-name" }, []string{"nobody-of-that-name"}},
		{"memory below the engine's least", func(t *task.Task) { t.Memory = 4096 }, []string{"emory"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, what := newTask(image, "forever")
			test.change(what)
			run, err := runtime.Start(t.Context(), key, what)
			if err == nil {
				t.Fatalf("started as %+v", run)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not say %q", err, want)
				}
			}
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("the error %q is more than a line", err)
			}
			if _, err := engine.ContainerInspect(t.Context(), "cube-"+key.String()); !errdefs.IsNotFound(err) {
				t.Errorf("something is left of it: %v", err)
			}
		})
	}

	t.Run("another owner's name", func(t *testing.T) {
		key, what := newTask(image, "forever")
		other := newRuntime(t, dockertest.Owner(t))
		start(t, other, key, what)
		if run, err := runtime.Start(t.Context(), key, what); err == nil || !strings.Contains(err.Error(), "another owner") {
			t.Errorf("started as %+v, %v; want a refusal", run, err)
		}
		if runs, err := other.List(t.Context()); err != nil || len(runs) != 1 || runs[0].Exit != nil {
			t.Errorf("the other owner's run is now %+v, %v", runs, err)
		}
	})

	t.Run("caller gone", func(t *testing.T) {
		key, what := newTask(image, "forever")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if run, err := runtime.Start(ctx, key, what); !errors.Is(err, context.Canceled) {
			t.Errorf("started as %+v, %v; want the context's error", run, err)
		}
		if runs, err := runtime.List(t.Context()); err != nil || len(runs) != 0 {
			t.Errorf("left %+v, %v", runs, err)
		}
	})
}

type starter interface {
	Start(context.Context, worker.Key, *task.Task) (worker.Run, error)
}

// eventually looks at a condition that no event tells of, until it holds.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("after %v it does not hold: %s", within, what)
		}
	}
}
