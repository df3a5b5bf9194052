package docker_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/docker"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
)

// TestEngine holds all tests on the real engine, which share one image.
func TestEngine(t *testing.T) {
	program := dockertest.Build(t)
	image := dockertest.Import(t, dockertest.Client(t), program)
	for _, test := range []struct {
		name string
		run  func(*testing.T, string)
	}{
		{"runs to its end", testRunsToItsEnd},
		{"stop", testStop},
		{"stop of what does not run", testStopOfWhatDoesNotRun},
		{"remove", testRemove},
		{"logs", testLogs},
		{"logs followed", testLogsFollowed},
		{"list", testList},
		{"start is idempotent", testStartIsIdempotent},
		{"sweep by an old list", testSweepByAnOldList},
		{"stop of one never started", testStopOfOneNeverStarted},
		{"request under way", testRequestUnderWay},
		{"start fails cleanly", testStartFailsCleanly},
		{"cpu limit", testCpuLimit},
		{"memory limit", testMemoryLimit},
		{"usage", testUsage},
		{"ports", testPorts},
		{"port taken", testPortTaken},
		{"no privileges", testNoPrivileges},
		{"read-only root", testReadOnlyRoot},
		{"events lost", testEventsLost},
		{"start lost", testStartLost},
		{"removed by somebody else", testRemovedBySomebodyElse},
		{"stop while a start is lost", testStopWhileAStartIsLost},
		{"engine away", testEngineAway},
		{"close", testClose},
		{"exec", testExec},
		{"exec outlives its time", testExecOutlivesItsTime},
		{"exec in a run that ends", testExecInARunThatEnds},
		{"check", testCheck},
		{"pull", func(t *testing.T, _ string) { testPull(t, program) }},
		{"pull is told", func(t *testing.T, _ string) { testPullIsTold(t, program) }},
		{"image of its own", func(t *testing.T, _ string) { testImageOfItsOwn(t, program) }},
		{"many at once", testManyAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, image)
		})
	}
}

// newRuntime connects to the engine as the owner; a change, where there is
// one, is made to the configuration first.
func newRuntime(t testing.TB, owner string, change ...func(*docker.Config)) *docker.Runtime {
	t.Helper()
	cfg := docker.Config{Owner: owner, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, c := range change {
		c(&cfg)
	}
	runtime, err := docker.New(t.Context(), cfg)
	if err != nil {
		t.Fatalf("connect to the engine: %v", err)
	}
	t.Cleanup(func() {
		if err := runtime.Close(); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	return runtime
}

// newTask is a task that runs the test program with these arguments.
func newTask(image string, args ...string) (worker.Key, *task.Task) {
	t := &task.Task{ID: uuid.New(), Name: "test", Image: image, ImagePullPolicy: "never", Command: args}
	return worker.Key{Task: t.ID, Allocation: 1}, t
}

// start starts a task, which has to work.
func start(t testing.TB, runtime *docker.Runtime, key worker.Key, what *task.Task) worker.Run {
	t.Helper()
	run, err := runtime.Start(t.Context(), key, what)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	if run.Key != key || run.Handle == "" || time.Since(run.StartTime).Abs() > time.Minute {
		t.Fatalf("started as %+v", run)
	}
	return run
}

// wait waits for the end of a run.
func wait(t testing.TB, runtime *docker.Runtime, key worker.Key) worker.Exit {
	t.Helper()
	exit, err := runtime.Wait(t.Context(), key)
	if err != nil {
		t.Fatalf("wait: %v", err)
	}
	return exit
}

// wantCode holds an exit against the code expected.
func wantCode(t testing.TB, exit worker.Exit, code int) {
	t.Helper()
	if exit.Code == nil {
		t.Fatalf("ended with no exit code (%q); want %d", exit.Error, code)
	}
	if *exit.Code != code {
		t.Fatalf("ended with code %d (%q); want %d", *exit.Code, exit.Error, code)
	}
}

// output is all that a run has written so far, narrowed by opts.
func output(t testing.TB, runtime *docker.Runtime, key worker.Key, opts worker.LogOptions) string {
	t.Helper()
	logs, err := runtime.Logs(t.Context(), key, opts)
	if err != nil {
		t.Fatalf("logs: %v", err)
	}
	text, err := io.ReadAll(logs)
	if err != nil {
		t.Fatalf("read the logs: %v", err)
	}
	if err := logs.Close(); err != nil {
		t.Fatalf("close the logs: %v", err)
	}
	return string(text)
}

// all is the whole output.
func all() worker.LogOptions { return worker.LogOptions{Tail: -1} }

// cleanup is a context for what is done when the test's own has ended.
func cleanup(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
