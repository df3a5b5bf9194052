package scheduler_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/worker/task"
)

// Two workers of 8 cores. "a" was measured 25 % busy; "b" 10 %, but it got a
// task of 2 cores since, 5 s of whose life the average over 15 s holds.
func Example() {
	spread, err := policy.New("spread")
	if err != nil {
		panic(err)
	}
	state, err := scheduler.NewState(scheduler.Config{Policy: spread})
	if err != nil {
		panic(err)
	}
	at := func(seconds int) scheduler.Instant { return scheduler.Instant(time.Duration(seconds) * time.Second) }
	look := func(node string, seconds int, usage float64) scheduler.Reading {
		return scheduler.Reading{
			Node: node, At: at(seconds), Clock: 1_700_000_000 + float64(seconds),
			CpuUsage: usage, CpuWindow: 15, CpuCores: 8,
			MemoryTotal: 32 << 30, MemoryAvailable: 24 << 30,
			DiskTotal: 500 << 30, DiskAvailable: 400 << 30, Load1: scheduler.Absent(),
			AllocatableCpu: 8, AllocatableMemory: 30 << 30, AllocatableDisk: 400 << 30, OvercommitCpu: 2,
		}
	}
	state.SetNode(scheduler.Node{Name: "a"})
	state.SetNode(scheduler.Node{Name: "b"})
	must(state.Observe(look("a", 0, 0.1)))
	must(state.Observe(look("b", 0, 0.1)))

	// At 5 s a task starts on b. At 10 s both are read again.
	first := scheduler.Demand{Task: uuid.MustParse("11111111-1111-4111-8111-111111111111"), Requests: task.Resources{Cpu: 2, Memory: 4 << 30}}
	must(state.Place(scheduler.Placement{Demand: first, Node: "b", At: at(5), StartTime: 1_700_000_005}))
	must(state.Observe(look("a", 10, 0.25)))
	must(state.Observe(look("b", 10, 0.1)))

	// b is expected to use 0.8 measured + 2·(1 − 5/15) = 2.13 cores, a 2.
	second := scheduler.Demand{Task: uuid.MustParse("22222222-2222-4222-8222-222222222222"), Requests: task.Resources{Cpu: 1, Memory: 1 << 30}}
	decision := state.Decide(at(12), second, 1).Decision()
	for _, c := range decision.Candidates {
		fmt.Printf("%s scores %.1f: %.2f of %.0f cores expected, reading %.0f s old\n",
			c.Node, c.Score, c.Inputs.CpuExpected, c.Inputs.CpuCores.Value(), c.Inputs.ReadingAge.Value())
	}

	// What the decision holds is enough to reckon it again.
	again, err := scheduler.Recompute(spread, decision)
	must(err)
	fmt.Println("recomputed the same:", again[0].Score == decision.Candidates[0].Score)

	// A task that fits nowhere is told why.
	third := scheduler.Demand{Task: uuid.MustParse("33333333-3333-4333-8333-333333333333"), Requests: task.Resources{Cpu: 1, Memory: 25 << 30}}
	for _, refused := range state.Decide(at(12), third, 1).Decision().Refused {
		for _, example := range refused.Examples {
			fmt.Printf("%s refused: %s\n", example.Node, example.Reason)
		}
	}
	// Output:
	// a scores 41.4: 2.00 of 8 cores expected, reading 2 s old
	// b scores 33.2: 2.13 of 8 cores expected, reading 2 s old
	// recomputed the same: true
	// a refused: needs 25GiB; 24GiB available
	// b refused: needs 25GiB; 24GiB available, of which 4GiB is promised to 1 task and not used yet
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
