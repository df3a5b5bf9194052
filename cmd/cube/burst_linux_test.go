package main

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/client"
	"cube/worker/task"
)

// TestBurstOfTasks posts a hundred process tasks at once to the real worker: all
// come to run. How soon, deploy/benchmarks/start says: 2 s are promised for 2 cores.
func TestBurstOfTasks(t *testing.T) {
	const tasks = 100
	w := newLoneWorker(t, runtimeProcess)
	p := w.start("--drain")
	c := w.client(p)
	before := time.Now()
	var clients sync.WaitGroup
	for range tasks {
		clients.Go(func() {
			e := w.forever()
			e.ID, e.Task.ID, e.Task.Cpu, e.Task.Memory = uuid.New(), uuid.New(), 0.01, 8<<20
			if _, err := c.Submit(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	var since uint64
	for {
		answer, err := c.Tasks(t.Context(), client.TasksQuery{State: []task.State{task.Running}, Since: since, Wait: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Tasks) == tasks {
			break
		}
		if time.Since(before) > 5*time.Minute {
			t.Fatalf("%d of %d run after 5 minutes", len(answer.Tasks), tasks)
		}
		since = answer.Generation
	}
	t.Logf("%d tasks run %v after the first was posted", tasks, time.Since(before))
}
