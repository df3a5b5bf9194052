package process

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

// Many callers at once, each with runs of its own and all with List: under
// -race, what is shared is guarded.
func TestManyCallersAtATime(t *testing.T) {
	rt := newRuntime(t, Config{Starts: 4, program: thisProgram})
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() { liveOneRun(t, rt) })
	}
	callers.Wait()
	nothingLeft(t, rt, nil)
}

// liveOneRun takes a run from its start to its removal, with a reader of its
// output and two who wait.
func liveOneRun(t *testing.T, rt *Runtime) {
	key := worker.Key{Task: uuid.New()}
	if _, err := rt.Start(t.Context(), key, &task.Task{Command: []string{"sh", "-c", "echo hello; exec sleep 1000"}}); err != nil {
		t.Error(err)
		return
	}
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			if exit, err := rt.Wait(t.Context(), key); err != nil || code(exit) != "143" {
				t.Errorf("%s ended with %s, %v", key, code(exit), err)
			}
		})
	}
	heard := make(chan struct{})
	others.Go(func() {
		output, err := rt.Logs(t.Context(), key, worker.LogOptions{Follow: true, Tail: -1})
		if err != nil {
			t.Error(err)
			close(heard)
			return
		}
		first := make([]byte, len("hello\n"))
		if _, err := io.ReadFull(output, first); err != nil || string(first) != "hello\n" {
			t.Errorf("%s printed %q, %v", key, first, err)
		}
		close(heard)
		if rest, err := io.ReadAll(output); err != nil || len(rest) != 0 {
			t.Errorf("%s printed %q at its end, %v", key, rest, err)
		}
		if err := output.Close(); err != nil {
			t.Error(err)
		}
	})
	<-heard
	if _, err := rt.Usage(t.Context(), key); err != nil {
		t.Error(err)
	}
	if list, err := rt.List(t.Context()); err != nil || len(list) == 0 {
		t.Errorf("listed %d, %v", len(list), err)
	}
	if err := rt.Stop(t.Context(), key, time.Minute); err != nil {
		t.Error(err)
	}
	others.Wait()
	if err := rt.Remove(t.Context(), key); err != nil {
		t.Error(err)
	}
}
