package scheduler_test

import (
	"math"
	"testing"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/worker/task"
)

// useAware are the policies that go by measured use.
var useAware = []string{"spread", "epvm", "risk", "measured"}

// readAll gives every node the same reading but for its share of CPU in use.
func readAll(t *testing.T, s *scheduler.State, seconds float64, usage func(node int) float64) {
	t.Helper()
	for i := range 10 {
		r := reading(nodeName(i), seconds)
		r.CpuUsage = usage(i)
		observe(t, s, r)
	}
}

func idle(int) float64 { return 0 }

// firstBusy is the share of the first node; the others are idle.
func firstBusy(share float64) func(int) float64 {
	return func(node int) float64 {
		if node == 0 {
			return share
		}
		return 0
	}
}

// burst places 1,000 tasks within 4 seconds, and checks how many each node got.
func burst(t *testing.T, s *scheduler.State, seconds, cpu float64, memory task.Bytes, want func(node int) int) {
	t.Helper()
	counts := make(map[string]int)
	for i := range 1000 {
		d := demand(1_000_000+i, cpu, memory)
		counts[put(t, s, at(seconds+float64(i)/250), d, uint64(i))]++
	}
	for i := range 10 {
		if n := counts[nodeName(i)]; n < want(i)-1 || n > want(i)+1 {
			t.Errorf("node %s got %d of 1,000 tasks, want %d ± 1", nodeName(i), n, want(i))
		}
	}
}

func even(int) int { return 100 }

func unevenFirst(first, others int) func(int) int {
	return func(node int) int {
		if node == 0 {
			return first
		}
		return others
	}
}

// volcano#5313, livekit#3784: until the next report, a load-aware scheduler
// stacked a burst on the node that looked emptiest.
func TestBurstBetweenScrapesDoesNotHerd(t *testing.T) {
	for _, spec := range append([]string{"least-allocated", "roundrobin", "epvm=2,spread=1"}, useAware...) {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			readAll(t, s, 0, idle)
			burst(t, s, 0, 0.25, 1<<20, even)
		})
	}
}

func TestBurstGoesRoundTheBusyNode(t *testing.T) {
	for _, spec := range useAware {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			readAll(t, s, 0, firstBusy(0.6))
			// 19.2 + 31·0.25 = 27 = 108·0.25 cores
			burst(t, s, 0, 0.25, 1<<20, unevenFirst(31, 108))
		})
	}
}

// Tasks of a kind that uses half of what it asks for are counted with half.
func TestBurstOfTasksThatUseHalf(t *testing.T) {
	for _, spec := range useAware {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			learnHalf(t, s)
			readAll(t, s, 200, firstBusy(0.3))
			// 9.6 + 31·0.125 = 13.5 = 108·0.125 cores
			burst(t, s, 200, 0.25, 1<<20, unevenFirst(31, 108))
		})
	}
}

// learnHalf shows the state 300 tasks that use half of what they ask for, on a
// node that takes no more.
func learnHalf(t *testing.T, s *scheduler.State) {
	t.Helper()
	s.SetNode(scheduler.Node{Name: "teacher", Draining: true})
	r := reading("teacher", 100)
	r.CpuUsage = 0.9
	for i := range 300 {
		d := demand(i, 0.25, 1<<20)
		place(t, s, scheduler.Placement{Demand: d, Node: "teacher", At: at(1), StartTime: 1001})
		r.Tasks = append(r.Tasks, scheduler.TaskReading{ID: d.Task, CpuSeconds: 0.125 * 99, MemoryBytes: 1 << 20, StartTime: 1001})
	}
	observe(t, s, r)
}

// koordinator#490: what has ended distorted the view until the next report, and
// here as long as the window of an average holds it.
func TestTasksThatEndInsideTheWindowAreTakenOut(t *testing.T) {
	for _, spec := range useAware {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			readAll(t, s, 0, idle)
			for i := range 40 {
				place(t, s, scheduler.Placement{Demand: demand(i, 0.25, 1<<20), Node: "n00", At: at(1), StartTime: 1001})
			}
			readAll(t, s, 30, firstBusy(10.0/32))
			for i := range 40 {
				if err := s.Remove(taskID(i), scheduler.End{At: at(31), FinishTime: 1031}); err != nil {
					t.Fatal(err)
				}
			}
			if in, _, _ := s.Inspect("n00", at(31)); in.CpuExpected > 1e-6 {
				t.Errorf("right after its tasks have ended the node is expected to use %v cores, want 0", in.CpuExpected)
			}
			// The next reading still holds 11 of 15 s of them.
			readAll(t, s, 35, firstBusy(10.0/32*11/15))
			if in, _, _ := s.Inspect("n00", at(35)); in.CpuExpected > 1e-6 {
				t.Errorf("a reading later the node is expected to use %v cores, want 0", in.CpuExpected)
			}
			if spec == "risk" {
				burst(t, s, 35, 0.25, 1<<20, shunned(t, s, "n00", 35))
				return
			}
			burst(t, s, 35, 0.25, 1<<20, even)
		})
	}
}

// shunned is what risk gives to n00, whose use went up and down, and to others,
// whose use did not. It ranks by μ + σ, and a deviation of σ of the node's 32
// cores weighs as much as s = σ·32/0.25 tasks: with n tasks on each of the others
// and n − s on n00, 9·n + n − s = 1,000.
func shunned(t *testing.T, s *scheduler.State, node string, seconds float64) func(node int) int {
	t.Helper()
	in, _, _ := s.Inspect(node, at(seconds))
	tasks := in.CpuDeviation * 32 / 0.25
	others := (1000 + tasks) / 10
	if tasks < 10 {
		t.Fatalf("a use that went from 0 to a third and back deviates by %v", in.CpuDeviation)
	}
	return unevenFirst(int(math.Round(others-tasks)), int(math.Round(others)))
}

// Where tasks ended on every node alike, all have the same deviation, and none
// is shunned for it.
func TestTasksThatEndInsideTheWindowEverywhere(t *testing.T) {
	for _, spec := range useAware {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			readAll(t, s, 0, idle)
			for i := range 400 {
				place(t, s, scheduler.Placement{Demand: demand(i, 0.25, 1<<20), Node: nodeName(i % 10), At: at(1), StartTime: 1001})
			}
			readAll(t, s, 30, func(int) float64 { return 10.0 / 32 })
			for i := range 400 {
				if err := s.Remove(taskID(i), scheduler.End{At: at(31), FinishTime: 1031}); err != nil {
					t.Fatal(err)
				}
			}
			readAll(t, s, 35, func(int) float64 { return 10.0 / 32 * 11 / 15 })
			burst(t, s, 35, 0.25, 1<<20, even)
		})
	}
}

// A request of nothing counts as the documented default, or all of a burst
// would go to one node.
func TestBurstOfTasksWithoutRequests(t *testing.T) {
	asks := (&task.Task{}).Promise()
	for _, spec := range append([]string{"least-allocated"}, useAware...) {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			readAll(t, s, 0, idle)
			burst(t, s, 0, asks.Cpu, asks.Memory, even)
		})
	}
}

// e2b-dev/infra#2201: the best of two by stale reports still herded. By reports
// and promises it does not.
func TestTwoChoicesBetweenScrapesDoNotHerd(t *testing.T) {
	s := newState(t, "two-choices", 10)
	readAll(t, s, 0, idle)
	counts := make(map[string]int)
	for i := range 1000 {
		counts[put(t, s, at(float64(i)/250), demand(i, 0.25, 1<<20), uint64(i))]++
	}
	for name, n := range counts {
		if n < 90 || n > 110 {
			t.Errorf("node %s got %d of 1,000 tasks, want about 100", name, n)
		}
	}
}

// shakenfist#3636: MemAvailable lags what was placed, and the node ran out of
// memory.
func TestBurstDoesNotPromiseMemoryTwice(t *testing.T) {
	for _, spec := range policy.Names() {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 2)
			for i := range 2 {
				r := reading(nodeName(i), 0)
				r.MemoryAvailable = 10 * gib
				observe(t, s, r)
			}
			for i := range 6 {
				put(t, s, at(1), demand(i, 0.1, 3*gib), uint64(i))
			}
			made := s.Decide(at(1), demand(6, 0.1, 3*gib), 6).Decision()
			if made.Node != "" || len(made.Refused) != 1 || made.Refused[0].Code != scheduler.RefusedMemory {
				t.Errorf("with 1 GiB left on each of two nodes 3 GiB went to %q: %+v", made.Node, made.Refused)
			}
		})
	}
}
