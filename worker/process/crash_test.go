package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

// testWorker starts runs for as long as it lives, saying before each which,
// and after each that it runs. Every run writes its key into the file
// "starts", so that starts can be counted; half of them then end with code 7.
func testWorker(dir, supervisor string) int {
	rt, err := New(Config{Dir: dir, CgroupParent: "cube-test-crash", program: supervisor})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for range 4 {
		go func() {
			for {
				key := worker.Key{Task: uuid.New(), Allocation: uint64(rand.IntN(2))}
				fmt.Println("start", key)
				if _, err := rt.Start(context.Background(), key, crashTask(dir, key)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println("started", key)
			}
		}()
	}
	select {}
}

// crashTask says that it was started and, by its allocation, ends or does not.
func crashTask(dir string, key worker.Key) *task.Task {
	end := "exec sleep 1000"
	if key.Allocation == 1 {
		end = "exit 7"
	}
	return &task.Task{Command: []string{"sh", "-c", "echo $CUBE_RUN >> " + filepath.Join(dir, "starts") + "; echo counted; " + end}}
}

// A worker that is killed at any moment of its work loses no run, leaves none
// that its successor does not know, and its successor runs none twice.
func TestKilledWorkerLosesNothing(t *testing.T) {
	rounds := 10
	if os.Getenv("CUBE_TEST_LONG") != "" {
		rounds = 500
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CUBE_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("CUBE_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		after := time.Duration(random.Int64N(int64(150 * time.Millisecond)))
		if !t.Run(after.String(), func(t *testing.T) { crashOnce(t, after) }) {
			return
		}
	}
}

func crashOnce(t *testing.T, after time.Duration) {
	t.Helper()
	dir := t.TempDir()
	asked, running := killedWorker(t, dir, after)
	rt := newRuntime(t, Config{Dir: dir, CgroupParent: "cube-test-crash"})
	list, err := rt.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed := map[worker.Key]bool{}
	for _, r := range list {
		listed[r.Key] = true
		if !asked[r.Key] {
			t.Errorf("%s is listed and was never asked for", r.Key)
		}
	}
	for key := range running {
		if !listed[key] {
			t.Errorf("%s ran and is not listed", key)
		}
	}
	var all sync.WaitGroup
	for key := range asked {
		all.Go(func() { checkRun(t, rt, key, listed[key]) })
	}
	all.Wait()
	starts := countLines(t, filepath.Join(dir, "starts"))
	for key := range asked {
		if starts[key.String()] != 1 {
			t.Errorf("%s was started %d times", key, starts[key.String()])
		}
	}
	if t.Failed() {
		t.Logf("killed after %v, with %d runs asked for, %d started, %d found", after, len(asked), len(running), len(list))
	}
}

// checkRun starts the run again if the killed worker's successor did not find
// it, and checks that it comes to its end.
func checkRun(t *testing.T, rt *Runtime, key worker.Key, listed bool) {
	if !listed {
		// Its supervisor may be on its way out, without ever an order.
		if !soon(func() bool { return len(strays(t, key)) == 0 }) {
			t.Errorf("%s is not listed, and there is %v", key, strays(t, key))
		}
		if _, err := rt.Start(t.Context(), key, crashTask(rt.config.Dir, key)); err != nil {
			t.Errorf("%s cannot be started: %v", key, err)
			return
		}
	}
	if key.Allocation == 0 {
		// Its start has been counted when it says so.
		if output, err := rt.Logs(t.Context(), key, worker.LogOptions{Tail: -1, Follow: true}); err != nil {
			t.Errorf("%s has no output: %v", key, err)
		} else if _, err := output.Read(make([]byte, 1)); err != nil {
			t.Errorf("%s says nothing: %v", key, errors.Join(err, output.Close()))
		} else if err := output.Close(); err != nil {
			t.Error(err)
		}
		if err := rt.Stop(t.Context(), key, 0); err != nil {
			t.Errorf("%s cannot be stopped: %v", key, err)
		}
	}
	want := map[uint64]string{0: "137", 1: "7"}[key.Allocation]
	exit, err := rt.Wait(t.Context(), key)
	if err != nil || code(exit) != want {
		t.Errorf("%s ended with %s, %+v, %v; want %s", key, code(exit), exit, err, want)
	}
	noStrays(t, key)
}

// killedWorker runs a worker on the directory and kills it that long after its
// first run started. It returns the runs that it was about to start, and those
// that it had.
func killedWorker(t *testing.T, dir string, after time.Duration) (asked, running map[worker.Key]bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	supervisor, err := fastSupervisor()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "test-worker", dir, supervisor)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	asked, running = map[worker.Key]bool{}, map[worker.Key]bool{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, name, _ := strings.Cut(lines.Text(), " ")
		key, err := parseKey(name)
		if err != nil {
			t.Errorf("the worker said %q: %v", lines.Text(), err)
			continue
		}
		if len(asked) == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		if word == "start" {
			asked[key] = true
		} else {
			running[key] = true
		}
	}
	_ = cmd.Wait() // killed
	if len(asked) == 0 {
		t.Error("the worker ended before it was killed")
	}
	return asked, running
}

func countLines(t *testing.T, path string) map[string]int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(data)) {
		counts[strings.TrimSpace(line)]++
	}
	return counts
}
