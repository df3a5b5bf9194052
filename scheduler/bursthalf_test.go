package scheduler_test

import (
	"testing"

	"cube/worker/task"
)

// The burst of the tasks that use half of what they ask for, on idle nodes and
// beside one that is 60 % busy: 19.2 cores there are more than 111·0.125 = 13.9
// elsewhere, so it gets none.
func TestBurstOfTasksThatUseHalfLeavesTheBusyNodeAlone(t *testing.T) {
	for _, spec := range useAware {
		t.Run(spec+"/idle", func(t *testing.T) {
			s := newState(t, spec, 10)
			learnHalf(t, s)
			readAll(t, s, 200, idle)
			burst(t, s, 200, 0.25, 1<<20, even)
		})
		t.Run(spec+"/busy", func(t *testing.T) {
			s := newState(t, spec, 10)
			learnHalf(t, s)
			readAll(t, s, 200, firstBusy(0.6))
			burst(t, s, 200, 0.25, 1<<20, unevenFirst(0, 111))
		})
	}
}

// Without requests a task counts with the documented defaults, 0.1 cores among
// them, beside a busy node too.
func TestBurstOfTasksWithoutRequestsGoesRoundTheBusyNode(t *testing.T) {
	asks := (&task.Task{}).Promise()
	for _, spec := range useAware {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			readAll(t, s, 0, firstBusy(0.6))
			// The 19.2 cores in use there are more than 111 defaults elsewhere.
			burst(t, s, 0, asks.Cpu, asks.Memory, unevenFirst(0, 111))
		})
	}
}
