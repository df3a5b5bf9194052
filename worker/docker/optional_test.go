package docker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cube/worker"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
)

func testExec(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "out", "ready", "forever")
	start(t, runtime, key, what)
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"exit", "0"}, 0},
		{[]string{"wait", "100ms", "exit", "3"}, 3},
		{[]string{"out", "its output is not the task's"}, 0},
	} {
		code, err := runtime.Exec(t.Context(), key, append([]string{dockertest.Program}, test.args...))
		if err != nil || code != test.code {
			t.Errorf("%v ended with %d, %v; want %d", test.args, code, err, test.code)
		}
	}
	if got := output(t, runtime, key, all()); got != "ready\n" {
		t.Errorf("the task's output is %q", got)
	}

	if code, err := runtime.Exec(t.Context(), key, []string{"/no-such-program"}); err == nil && code == 0 {
		t.Error("a program that is not there ended well")
	}
	unknown, _ := newTask(image)
	if _, err := runtime.Exec(t.Context(), unknown, []string{"x"}); !errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("in an unknown run: %v; want ErrUnknownRun", err)
	}
}

func testExecOutlivesItsTime(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "forever")
	start(t, runtime, key, what)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if code, err := runtime.Exec(ctx, key, []string{dockertest.Program, "forever"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("it ended with %d, %v; want the deadline", code, err)
	}
	engine := dockertest.Client(t)
	eventually(t, 10*time.Second, "the command is killed", func() bool {
		top, err := engine.ContainerTop(t.Context(), "cube-"+key.String(), nil)
		return err == nil && len(top.Processes) == 1
	})
}

func testExecInARunThatEnds(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "term", "0", "out", "ready", "forever")
	start(t, runtime, key, what)
	waitForLine(t, runtime, key, "ready")
	ended := make(chan error, 1)
	go func() {
		code, err := runtime.Exec(t.Context(), key, []string{dockertest.Program, "forever"})
		if err == nil && code == 0 {
			err = errors.New("it is said to have ended well")
		} else {
			err = nil
		}
		ended <- err
	}()
	engine := dockertest.Client(t)
	eventually(t, 10*time.Second, "the command runs", func() bool {
		top, err := engine.ContainerTop(t.Context(), "cube-"+key.String(), nil)
		return err == nil && len(top.Processes) == 2
	})
	if err := runtime.Stop(t.Context(), key, time.Minute); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func testCheck(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	for _, test := range []struct {
		name   string
		change func(*task.Task)
		field  string // empty: it is good
	}{
		{"good", func(*task.Task) {}, ""},
		{"by ID", func(t *task.Task) { t.Image = "sha256:" + strings.Repeat("0f", 32) }, ""},
		{"no image", func(t *task.Task) { t.Image = "" }, "Image"},
		{"not an image", func(t *task.Task) { t.Image = "No Such" }, "Image"},
		{"too little memory", func(t *task.Task) { t.Memory = 6<<20 - 1 }, "Memory"},
		{"the least memory", func(t *task.Task) { t.Memory = 6 << 20 }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, what := newTask(image, "forever")
			test.change(what)
			err := runtime.Check(what)
			refused := (*task.ValidationError)(nil)
			switch {
			case test.field == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.field != "" && (!errors.As(err, &refused) || refused.Field != test.field):
				t.Errorf("got %v; want %s refused", err, test.field)
			}
		})
	}
}
