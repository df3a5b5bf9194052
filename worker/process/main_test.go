package process

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

// The test binary is the supervisor of some tests' runs, and their task.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "test-worker" {
		os.Exit(testWorker(os.Args[2], os.Args[3]))
	}
	if len(os.Args) > 2 && os.Args[1] == "test-task" {
		os.Exit(testTask(os.Args[2], os.Args[3:]))
	}
	code := m.Run()
	if dir, err := fastSupervisor(); err == nil && dir != "" {
		_ = os.RemoveAll(filepath.Dir(dir))
	}
	os.Exit(code)
}

// thisProgram has a test's supervisors be of the very build of the tests.
const thisProgram = "/proc/self/exe"

// fastSupervisor builds a supervisor without the race detector, where the tests
// have it: its start takes a few times the CPU, and its end sleeps for a second
// so that late reports come out. Empty is this program. Some tests have that all
// the same, so that supervisors are checked for races, too.
var fastSupervisor = sync.OnceValues(func() (string, error) {
	if !underRace() {
		return "", nil
	}
	dir, err := os.MkdirTemp("", "cube-supervisor-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "supervisor")
	if out, err := exec.Command("go", "build", "-o", path, "./testdata/supervisor").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the supervisor: %w\n%s", err, out)
	}
	return path, nil
})

// underRace reports whether the tests were built with the race detector.
func underRace() bool {
	info, is := debug.ReadBuildInfo()
	return is && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// testCommand is the command of a task that testTask is.
func testCommand(t testing.TB, args ...string) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{exe, "test-task"}, args...)
}

// newRuntime opens a runtime whose cgroups are the test's own.
func newRuntime(t testing.TB, config Config) *Runtime {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	if config.CgroupParent == "" {
		config.CgroupParent = "cube-test-" + strconv.Itoa(os.Getpid())
	}
	if config.Log == nil {
		config.Log = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	if config.program == "" {
		var err error
		if config.program, err = fastSupervisor(); err != nil {
			t.Fatal(err)
		}
	}
	rt, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Whatever a test leaves is killed: also what a closed runtime left.
		ctx := context.Background()
		list, _ := rt.List(ctx)
		if rt.ctx.Err() != nil {
			return
		}
		var stops sync.WaitGroup
		for _, r := range list {
			stops.Go(func() {
				if err := rt.Stop(ctx, r.Key, 0); err != nil {
					t.Errorf("stopping %s: %v", r.Key, err)
				}
				if err := rt.Remove(ctx, r.Key); err != nil {
					t.Errorf("removing %s: %v", r.Key, err)
				}
			})
		}
		stops.Wait()
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return rt
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// start starts a run of the task under a key of its own.
func start(t testing.TB, rt *Runtime, tk *task.Task) worker.Run {
	t.Helper()
	r, err := rt.Start(t.Context(), worker.Key{Task: uuid.New(), Allocation: 1}, tk)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func startCommand(t testing.TB, rt *Runtime, command ...string) worker.Run {
	t.Helper()
	return start(t, rt, &task.Task{Command: command})
}

func wait(t testing.TB, rt *Runtime, key worker.Key) worker.Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	exit, err := rt.Wait(ctx, key)
	if err != nil {
		t.Fatalf("waiting for %s: %v", key, err)
	}
	return exit
}

func logs(t testing.TB, rt *Runtime, key worker.Key, opts worker.LogOptions) string {
	t.Helper()
	r, err := rt.Logs(t.Context(), key, opts)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var allLogs = worker.LogOptions{Tail: -1}

// code is the exit code as text, for messages and comparisons.
func code(exit worker.Exit) string {
	if exit.Code == nil {
		return "unknown"
	}
	return strconv.Itoa(*exit.Code)
}

// firstLines follows the output until it has n lines.
func firstLines(t testing.TB, rt *Runtime, key worker.Key, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := rt.Logs(ctx, key, worker.LogOptions{Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var text strings.Builder
	for buf := make([]byte, 4096); strings.Count(text.String(), "\n") < n; {
		k, err := r.Read(buf)
		text.Write(buf[:k])
		if err != nil {
			t.Fatalf("after %q: %v", text.String(), err)
		}
	}
	return strings.Split(text.String(), "\n")[:n]
}

// eventually waits for a condition of the machine that has no event.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !soon(condition) {
		t.Fatalf("not after 20 s: %s", what)
	}
}

// soon is eventually for goroutines, which may not end the test.
func soon(condition func() bool) bool {
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// alive reports whether the PID is that of a process that is no zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(after, "Z")
}

func atoi(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func pidOf(t testing.TB, r worker.Run) int {
	t.Helper()
	return atoi(t, strings.TrimPrefix(r.Handle, "pid:"))
}

// testTask is what the tests' tasks do.
func testTask(what string, args []string) int {
	switch what {
	case "burn": // CPU, without end
		for x := 0.0; ; x++ {
			if x < 0 {
				fmt.Println(x)
			}
		}
	case "take": // so many MiB of memory
		n, _ := strconv.Atoi(args[0])
		var taken [][]byte
		for range n {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			taken = append(taken, block)
		}
		fmt.Println("took", len(taken))
		return 0
	case "descriptors":
		entries, _ := os.ReadDir("/proc/self/fd")
		for _, e := range entries {
			if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
				fmt.Println(e.Name(), to)
			}
		}
		return 0
	}
	return 99
}
