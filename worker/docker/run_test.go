package docker_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"cube/worker"
	"cube/worker/docker/dockertest"
)

func testRunsToItsEnd(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "env", "GREETING", "whoami", "err", "done", "exit", "7")
	what.Env = []string{"GREETING=hello, world"}
	what.User = "12:34"
	what.WorkingDir = "/tmp"
	began := time.Now()
	start(t, runtime, key, what)
	exit := wait(t, runtime, key)
	wantCode(t, exit, 7)
	if exit.OOMKilled || exit.Error != "" || exit.Time.Before(began) || exit.Time.After(time.Now()) {
		t.Errorf("ended as %+v", exit)
	}
	if got, want := output(t, runtime, key, all()), "hello, world\n12 34 /tmp\ndone\n"; !sameLines(got, want) {
		t.Errorf("it wrote %q; want %q", got, want)
	}
	// On a run that has ended, Wait returns at once and says the same.
	if again := wait(t, runtime, key); *again.Code != 7 || !again.Time.Equal(exit.Time) {
		t.Errorf("the second Wait says %+v; the first %+v", again, exit)
	}
}

func testStop(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	for _, test := range []struct {
		name  string
		args  []string
		grace time.Duration
		code  int
	}{
		{"asked politely", []string{"term", "5", "forever"}, time.Minute, 5},
		{"killed after grace", []string{"deaf", "forever"}, 300 * time.Millisecond, 137},
		{"killed at once", []string{"deaf", "forever"}, 0, 137},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, what := newTask(image, append([]string{"out", "ready"}, test.args...)...)
			start(t, runtime, key, what)
			waitForLine(t, runtime, key, "ready")
			began := time.Now()
			if err := runtime.Stop(t.Context(), key, test.grace); err != nil {
				t.Fatalf("stop: %v", err)
			}
			took := time.Since(began)
			wantCode(t, wait(t, runtime, key), test.code)
			if test.code == 137 && took < test.grace {
				t.Errorf("killed after %v; want the whole grace of %v", took, test.grace)
			}
			if took > test.grace+10*time.Second {
				t.Errorf("stopped after %v, with a grace of %v", took, test.grace)
			}
			// A second stop is no error.
			if err := runtime.Stop(t.Context(), key, test.grace); err != nil {
				t.Errorf("stopped again: %v", err)
			}
		})
	}
}

func testStopOfWhatDoesNotRun(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	unknown, _ := newTask(image)
	if err := runtime.Stop(t.Context(), unknown, time.Minute); err != nil {
		t.Errorf("stop of an unknown run: %v; want nil", err)
	}
	if err := runtime.Remove(t.Context(), unknown); err != nil {
		t.Errorf("removal of an unknown run: %v; want nil", err)
	}
	if _, err := runtime.Wait(t.Context(), unknown); !errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("wait for an unknown run: %v; want ErrUnknownRun", err)
	}
	if _, err := runtime.Logs(t.Context(), unknown, all()); !errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("logs of an unknown run: %v; want ErrUnknownRun", err)
	}
	if _, err := runtime.Usage(t.Context(), unknown); !errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("usage of an unknown run: %v; want ErrUnknownRun", err)
	}
}

func testRemove(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "term", "0", "forever")
	start(t, runtime, key, what)
	if err := runtime.Remove(t.Context(), key); err == nil {
		t.Error("a running run was removed")
	}
	if err := runtime.Stop(t.Context(), key, time.Minute); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if err := runtime.Remove(t.Context(), key); err != nil {
		t.Fatalf("remove: %v", err)
	}
	if _, err := runtime.Wait(t.Context(), key); !errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("wait for a removed run: %v; want ErrUnknownRun", err)
	}
}

func testList(t *testing.T, image string) {
	owner := dockertest.Owner(t)
	runtime, other := newRuntime(t, owner), newRuntime(t, dockertest.Owner(t))
	runningKey, running := newTask(image, "forever")
	endedKey, ended := newTask(image, "exit", "3")
	endedKey.Allocation, endedKey.Restart = 1<<63+5, 2
	foreignKey, foreign := newTask(image, "forever")
	first := start(t, runtime, runningKey, running)
	start(t, runtime, endedKey, ended)
	start(t, other, foreignKey, foreign)
	exit := wait(t, runtime, endedKey)

	// A worker that comes up again finds the same.
	for _, runtime := range []interface {
		List(context.Context) ([]worker.Run, error)
	}{runtime, newRuntime(t, owner)} {
		runs, err := runtime.List(t.Context())
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		if len(runs) != 2 {
			t.Fatalf("listed %+v; want the two of the owner", runs)
		}
		for _, run := range runs {
			switch run.Key {
			case runningKey:
				if run.Exit != nil || run.Handle != first.Handle || !run.StartTime.Equal(first.StartTime) {
					t.Errorf("the running one is listed as %+v; it started as %+v", run, first)
				}
			case endedKey:
				if run.Exit == nil || *run.Exit.Code != 3 || !run.Exit.Time.Equal(exit.Time) {
					t.Errorf("the ended one is listed as %+v; it ended as %+v", run, exit)
				}
			default:
				t.Errorf("listed %+v, which is not the owner's", run)
			}
		}
	}
}

func testLogs(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	long := strings.Repeat("x", 100_000) // more than one record of the engine's
	key, what := newTask(image, "out", "one", "wait", "200ms", "err", "two", "err", long, "wait", "200ms", "out", "three")
	start(t, runtime, key, what)
	wait(t, runtime, key)
	run, err := runtime.List(t.Context())
	if err != nil || len(run) != 1 {
		t.Fatalf("list: %v, %v", run, err)
	}
	between := run[0].Exit.Time.Add(-100 * time.Millisecond)
	for _, test := range []struct {
		name string
		opts worker.LogOptions
		want string
	}{
		{"both", worker.LogOptions{Tail: -1}, "one\ntwo\n" + long + "\nthree\n"},
		{"both by name", worker.LogOptions{Tail: -1, Stdout: true, Stderr: true}, "one\ntwo\n" + long + "\nthree\n"},
		{"stdout", worker.LogOptions{Tail: -1, Stdout: true}, "one\nthree\n"},
		{"stderr", worker.LogOptions{Tail: -1, Stderr: true}, "two\n" + long + "\n"},
		{"tail", worker.LogOptions{Tail: 1, Stdout: true}, "three\n"},
		{"tail of nothing", worker.LogOptions{Tail: 0}, ""},
		{"since", worker.LogOptions{Tail: -1, Stdout: true, Since: between}, "three\n"},
		{"followed after the end", worker.LogOptions{Tail: -1, Stdout: true, Follow: true}, "one\nthree\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := output(t, runtime, key, test.opts); !sameLines(got, test.want) {
				t.Errorf("got %.200q; want %.200q", got, test.want)
			}
		})
	}
}

// sameLines compares output of which only the order of the two streams, each
// copied by the engine on its own, is open.
func sameLines(got, want string) bool {
	counts := make(map[string]int)
	for line := range strings.Lines(want) {
		counts[line]++
	}
	for line := range strings.Lines(got) {
		counts[line]--
	}
	for _, n := range counts {
		if n != 0 {
			return false
		}
	}
	return true
}

func testLogsFollowed(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(image, "out", "one", "term", "0", "forever")
	start(t, runtime, key, what)
	waitForLine(t, runtime, key, "one")

	// Close ends a Read that waits for more.
	logs, err := runtime.Logs(t.Context(), key, worker.LogOptions{Follow: true, Tail: 0})
	if err != nil {
		t.Fatalf("logs: %v", err)
	}
	blocked := make(chan error, 1)
	go func() {
		_, err := logs.Read(make([]byte, 1))
		blocked <- err
	}()
	if err := logs.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-blocked; err == nil {
		t.Error("a Read on closed logs returned no error")
	}

	// The end of the run is the end of the stream.
	followed := make(chan string, 1)
	go func() { followed <- output(t, runtime, key, worker.LogOptions{Follow: true, Tail: -1}) }()
	if err := runtime.Stop(t.Context(), key, time.Minute); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if got := <-followed; !strings.HasPrefix(got, "one\n") {
		t.Errorf("followed %q; want it from the first line on", got)
	}
}

// waitForLine returns once the run has written the line.
func waitForLine(t *testing.T, runtime logsOf, key worker.Key, line string) {
	t.Helper()
	logs, err := runtime.Logs(t.Context(), key, worker.LogOptions{Follow: true, Tail: -1})
	if err != nil {
		t.Fatalf("logs: %v", err)
	}
	defer func() {
		if err := logs.Close(); err != nil {
			t.Errorf("close the logs: %v", err)
		}
	}()
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		if lines.Text() == line {
			return
		}
	}
	t.Fatalf("the run ended without writing %q: %v", line, lines.Err())
}

type logsOf interface {
	Logs(context.Context, worker.Key, worker.LogOptions) (io.ReadCloser, error)
}
