package manager

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

func always(t *task.Task) { t.RestartPolicy = task.RestartAlways }

func TestDrainMovesRestartableTasksOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		moving := []uuid.UUID{f.submit(always), f.submit(always)}
		once := f.submit(nil)
		w := f.add("node-2", fakeRoom)
		w.set(func() { w.startDelay = 10 * time.Second })
		if err := f.Drain("node-1", time.Minute); err != nil {
			t.Fatal(err)
		}
		f.wait(time.Second)
		// The second waits until the first has arrived.
		f.is(moving[0], task.Scheduled, "node-2")
		f.is(moving[1], task.Running, "node-1")
		f.wait(11 * time.Second)
		f.is(moving[0], task.Running, "node-2")
		f.is(moving[1], task.Scheduled, "node-2")
		f.wait(11 * time.Second)
		for _, id := range moving {
			placed := f.is(id, task.Running, "node-2")
			if on := f.running(id); len(on) != 1 || placed.Allocation < 2 {
				t.Errorf("it runs on %v with allocation %d", on, placed.Allocation)
			}
		}
		f.is(once, task.Running, "node-1")
		if state := f.nodeState("node-1"); state != wire.NodeDraining {
			t.Errorf("the node is %s", state)
		}
	})
}

func TestDrainStopsNothingThatHasNoOtherPlaceBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id := f.submit(always)
		if err := f.Drain("node-1", time.Minute); err != nil {
			t.Fatal(err)
		}
		f.wait(30 * time.Second)
		f.is(id, task.Running, "node-1")
		f.restart()
		f.wait(20 * time.Second)
		f.is(id, task.Running, "node-1")
		f.wait(20 * time.Second)
		f.is(id, task.Pending, "")
		if on := f.running(id); len(on) != 0 {
			t.Errorf("after the deadline it runs on %v", on)
		}
		f.add("node-2", fakeRoom)
		f.is(id, task.Running, "node-2")
		has(t, f.Drain("nowhere", 0), wire.CodeNotFound, "nowhere")
	})
}

func TestStopOfATaskThatIsBeingMovedEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1", "node-2")
		id := f.submit(always)
		placed, _ := f.Task(id)
		f.worker(placed.Node).setCut(true)
		if err := f.Drain(placed.Node, time.Minute); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := f.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		f.worker(placed.Node).setCut(false)
		f.wait(lastRetry)
		f.is(id, task.Completed, placed.Node)
		if on := f.running(id); len(on) != 0 {
			t.Errorf("it runs on %v", on)
		}
	})
}
