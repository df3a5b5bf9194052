package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/worker/task"
)

const gib = 1 << 30

// at is an instant so many seconds after the epoch.
func at(seconds float64) scheduler.Instant {
	return scheduler.Instant(seconds * float64(time.Second))
}

// reading is one of an idle node of 32 cores and 256 GiB, at so many seconds,
// whose worker's clock is 1,000 s ahead of the manager's.
func reading(node string, seconds float64) scheduler.Reading {
	return scheduler.Reading{
		Node: node, At: at(seconds), Clock: 1000 + seconds,
		CpuUsage: 0, CpuWindow: 15, CpuCores: 32,
		MemoryTotal: 256 * gib, MemoryAvailable: 250 * gib,
		DiskTotal: 1000 * gib, DiskAvailable: 900 * gib, Load1: 0,
		AllocatableCpu: 32, AllocatableMemory: 240 * gib, AllocatableDisk: 900 * gib, OvercommitCpu: 2,
		TasksGeneration: 1,
	}
}

// newState returns a state with the policy and nodes n00, n01, …
func newState(t testing.TB, spec string, nodes int) *scheduler.State {
	t.Helper()
	p, err := policy.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return stateWith(t, scheduler.Config{Policy: p}, nodes)
}

func stateWith(t testing.TB, cfg scheduler.Config, nodes int) *scheduler.State {
	t.Helper()
	s, err := scheduler.NewState(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range nodes {
		s.SetNode(scheduler.Node{Name: nodeName(i)})
	}
	return s
}

func nodeName(i int) string { return fmt.Sprintf("n%02d", i) }

func observe(t testing.TB, s *scheduler.State, r scheduler.Reading) {
	t.Helper()
	if err := s.Observe(r); err != nil {
		t.Fatal(err)
	}
}

func place(t testing.TB, s *scheduler.State, p scheduler.Placement) {
	t.Helper()
	if err := s.Place(p); err != nil {
		t.Fatal(err)
	}
}

// taskID returns a different ID for every n.
func taskID(n int) uuid.UUID {
	return uuid.UUID{0: byte(n >> 24), 1: byte(n >> 16), 2: byte(n >> 8), 3: byte(n), 15: 1}
}

// demand is the n-th task, of so many cores and bytes of memory.
func demand(n int, cpu float64, memory task.Bytes) scheduler.Demand {
	return scheduler.Demand{Task: taskID(n), Requests: task.Resources{Cpu: cpu, Memory: memory}}
}

// put decides and places, and returns the node.
func put(t testing.TB, s *scheduler.State, now scheduler.Instant, d scheduler.Demand, seed uint64) string {
	t.Helper()
	made := s.Decide(now, d, seed).Decision()
	if made.Node == "" {
		t.Fatalf("task %s was refused everywhere: %+v", d.Task, made.Refused)
	}
	place(t, s, scheduler.Placement{Demand: d, Node: made.Node, At: now, StartTime: scheduler.Absent()})
	return made.Node
}

// mixed returns the n-th of demands of which no two are alike.
func mixed(n int, random *rand.Rand) scheduler.Demand {
	d := demand(n, 0.05+float64(random.IntN(4000))/1000, task.Bytes(random.IntN(8<<30)))
	d.Requests.Disk = task.Bytes(random.IntN(20 << 30))
	return d
}
