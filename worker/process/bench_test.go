package process

import (
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

// BenchmarkStart is the time of Start, with records on disk and a cgroup made,
// beside that of a bare fork and exec of the same program.
func BenchmarkStart(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			cmd := exec.Command("true")
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	for name, config := range map[string]Config{"runtime": {}, "no-cgroups": {NoCgroups: true}} {
		b.Run(name, func(b *testing.B) {
			rt := newRuntime(b, config)
			for b.Loop() {
				r := startCommand(b, rt, "true")
				b.StopTimer()
				wait(b, rt, r.Key)
				if err := rt.Remove(b.Context(), r.Key); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func TestBurstOfAHundred(t *testing.T) {
	rt := newRuntime(t, Config{})
	before := time.Now()
	var starts sync.WaitGroup
	for range 100 {
		starts.Go(func() {
			key := worker.Key{Task: uuid.New()}
			if _, err := rt.Start(t.Context(), key, &task.Task{Command: []string{"sleep", "100"}}); err != nil {
				t.Error(err)
			}
		})
	}
	starts.Wait()
	t.Logf("100 tasks run after %v", time.Since(before)) // deploy/benchmarks/start says how soon they are to
	list, err := rt.List(t.Context())
	if err != nil || len(list) != 100 {
		t.Fatalf("listed %d, %v", len(list), err)
	}
	for _, r := range list {
		if r.Exit != nil || !alive(pidOf(t, r)) {
			t.Errorf("%s does not run: %+v", r.Key, r)
		}
	}
}
