package manager

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/worker/task"
	"cube/worker/wire"
)

// A worker that has less room than its page says refuses; the task goes to the
// next best node under a new allocation.
func TestRefusedTaskGoesToTheNextBestNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		liar := f.add("liar", task.Resources{Cpu: 4, Memory: 1 << 20, Disk: 1 << 30})
		liar.set(func() { liar.claims = task.Resources{Cpu: 64, Memory: 1 << 40, Disk: 1 << 40} })
		f.wait(fakeInterval)
		id := f.submit(nil)
		reason := f.is(id, task.Pending, "").PendingReason
		if !contains(reason, "liar its worker refused (no_room)") {
			t.Errorf("the reason is %q", reason)
		}
		f.add("honest", fakeRoom)
		f.is(id, task.Running, "honest")
		for _, event := range liar.submitted {
			if honest := f.worker("honest").submitted[0]; event.Task.Allocation >= honest.Task.Allocation || event.ID == honest.ID {
				t.Errorf("the allocations are %d there and %d here", event.Task.Allocation, honest.Task.Allocation)
			}
		}
	})
}

// koordinator#2477: what the scheduler let in at 95 % was put out at 65 %, and let
// in again. Nothing that runs is put out here, and a worker that goes on refusing
// is not asked in a loop.
func TestRefusalsAreRepeatedLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		w := f.worker("node-1")
		w.set(func() { w.refuses = wire.New(wire.CodeInvalid, "Image: this worker runs processes only") })
		id := f.submit(nil)
		f.wait(10 * time.Minute)
		if n := len(w.submitted); n < 5 || n > 15 {
			t.Errorf("the worker was asked %d times in 10 minutes", n)
		}
		if reason := f.is(id, task.Pending, "").PendingReason; !contains(reason, "processes only") {
			t.Errorf("the reason is %q", reason)
		}
		w.set(func() { w.refuses = nil })
		f.wait(2 * time.Minute)
		f.is(id, task.Running, "node-1")
	})
}

// In the book a connection failure re-queues the wrong type, and panics.
func TestConnectionFailureIsRetriedWithTheSameEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		w := f.worker("node-1")
		w.setCut(true)
		id := f.submit(nil)
		f.is(id, task.Scheduled, "node-1")
		f.wait(3 * time.Second)
		if node, _ := f.Node("node-1"); !contains(node.LastError, "connection refused") {
			t.Errorf("the node shows the error %q", node.LastError)
		}
		w.setCut(false)
		f.wait(lastRetry)
		if placed := f.is(id, task.Running, "node-1"); placed.Allocation != 1 {
			t.Errorf("the allocation is %d", placed.Allocation)
		}
	})
}

// A worker that acted but whose answer was lost has acted once.
func TestLostAnswersStartNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1", "node-2")
		for _, name := range names(2) {
			w := f.worker(name)
			w.set(func() { w.deaf = true })
		}
		id := f.submit(nil)
		f.wait(5 * time.Second)
		for _, name := range names(2) {
			w := f.worker(name)
			w.set(func() { w.deaf = false })
		}
		f.wait(lastRetry)
		placed, _ := f.Task(id)
		w := f.worker(placed.Node)
		if placed.State != task.Running || w.starts[id] != 1 || len(w.submitted) < 2 {
			t.Errorf("the task is %s; started %d times by %d events", placed.State, w.starts[id], len(w.submitted))
		}
		for _, event := range w.submitted[1:] {
			if event.ID != w.submitted[0].ID || !event.Timestamp.Equal(w.submitted[0].Timestamp) {
				t.Errorf("the events differ: %+v and %+v", event, w.submitted[0])
			}
		}
		if on := f.running(id); len(on) != 1 {
			t.Errorf("it runs on %v", on)
		}
	})
}

func TestHungWorkerHoldsNobodyElseUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		hung := f.worker("node-1")
		hung.set(func() { hung.hangs = true })
		stuck := f.submit(nil)
		f.is(stuck, task.Scheduled, "node-1")
		f.add("node-2", fakeRoom)
		f.is(f.submit(func(t *task.Task) { t.Memory = 3 << 30 }), task.Running, "node-2")
	})
}

// A worker whose clock is two days behind says that its tasks ended then. They
// stay listed for as long as all others, by the manager's clock.
func TestEndedTaskStaysListedWhateverItsWorkersClockSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id := f.submit(nil)
		f.is(id, task.Running, "node-1")
		w := f.worker("node-1")
		w.change(func() {
			w.tasks[id].State, w.tasks[id].FinishTime = task.Completed, time.Now().Add(-48*time.Hour)
		})
		f.wait(23 * time.Hour)
		if _, err := f.Task(id); err != nil {
			t.Errorf("after 23 h: %v", err)
		}
		f.wait(2 * time.Hour)
		if _, err := f.Task(id); err == nil {
			t.Error("after 25 h it is still listed")
		}
	})
}

// A manager that was stopped for longer than the node timeout finds all its
// readings too old, and all its timers due at once. Its nodes were there all the
// time; one that was not is given up when it was listened to for long enough.
func TestManagerThatStoodStillGivesNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1", "node-2")
		ids := []uuid.UUID{f.submit(nil), f.submit(nil)}
		f.wait(fakeInterval)
		synctest.Wait()
		f.mu.Lock()
		f.epoch = f.epoch.Add(-10 * time.Minute)
		f.mu.Unlock()
		wake(f.watchdogWake)
		synctest.Wait()
		for _, name := range names(2) {
			if state := f.nodeState(name); state == wire.NodeDown {
				t.Errorf("%s is given up", name)
			}
		}
		f.wait(2 * time.Minute)
		for _, id := range ids {
			if placed, _ := f.Task(id); placed.Allocation != 1 || placed.State != task.Running {
				t.Errorf("task %s is %s under allocation %d", id, placed.State, placed.Allocation)
			}
		}
		f.worker("node-1").setCut(true)
		f.wait(2 * time.Minute)
		if state := f.nodeState("node-1"); state != wire.NodeDown {
			t.Errorf("a node that is gone is %s", state)
		}
	})
}

func TestLostNodesTasksArePlacedAnewAndTheOldCopyIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id := f.submit(nil)
		f.is(id, task.Running, "node-1")
		old := f.worker("node-1")
		old.setCut(true)
		f.add("node-2", fakeRoom)
		f.wait(50 * time.Second)
		f.is(id, task.Running, "node-1")
		if state := f.nodeState("node-1"); state != wire.NodeStale {
			t.Errorf("the node is %s", state)
		}
		f.wait(15 * time.Second)
		if placed := f.is(id, task.Running, "node-2"); placed.Allocation != 2 {
			t.Errorf("the allocation is %d", placed.Allocation)
		}
		if state := f.nodeState("node-1"); state != wire.NodeDown {
			t.Errorf("the node is %s", state)
		}
		if on := f.running(id); len(on) != 2 {
			t.Fatalf("it runs on %v; the cut off worker goes on", on)
		}
		old.setCut(false)
		f.wait(fakeInterval)
		if on := f.running(id); !slices.Equal(on, []string{"node-2"}) {
			t.Errorf("it runs on %v", on)
		}
		if state := f.nodeState("node-1"); state != wire.NodeReady {
			t.Errorf("the node is %s", state)
		}
	})
}

// A node that comes back before its tasks found another place keeps them.
func TestNodeThatIsBackBeforeAnotherPlaceIsFoundKeepsItsTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		running, ended := f.submit(nil), f.submit(nil)
		w := f.worker("node-1")
		w.setCut(true)
		f.wait(70 * time.Second)
		f.is(running, task.Pending, "")
		w.exit(ended, 0)
		w.setCut(false)
		f.wait(2 * fakeInterval)
		f.is(running, task.Running, "node-1")
		f.is(ended, task.Completed, "node-1")
		if w.starts[running] != 1 || w.starts[ended] != 1 {
			t.Errorf("started %d and %d times", w.starts[running], w.starts[ended])
		}
	})
}

func TestStopOnALostNodeEndsAndIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id := f.submit(nil)
		w := f.worker("node-1")
		w.setCut(true)
		if err := f.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		f.wait(30 * time.Second)
		f.is(id, task.Running, "node-1")
		f.wait(40 * time.Second)
		if placed := f.is(id, task.Completed, "node-1"); !contains(placed.Error, "was not confirmed") {
			t.Errorf("the error is %q", placed.Error)
		}
		w.setCut(false)
		f.wait(fakeInterval)
		if on := f.running(id); len(on) != 0 {
			t.Errorf("it still runs on %v", on)
		}
	})
}

func TestStopOvertakesAStartThatWasNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		w := f.worker("node-1")
		w.setCut(true)
		id := f.submit(nil)
		if err := f.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		w.setCut(false)
		f.wait(lastRetry)
		f.is(id, task.Completed, "node-1")
		if w.starts[id] != 0 {
			t.Error("the task was started after its stop")
		}
	})
}

// After a restart the book's manager sends a stop as new work.
func TestRestartOfTheManagerLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1", "node-2")
		running := f.submit(nil)
		ending := f.submit(nil)
		stopping := f.submit(nil)
		node, _ := f.Task(stopping)
		endingOn, _ := f.Task(ending)
		waiting := f.submit(func(t *task.Task) { t.Memory = 1 << 40 })
		f.worker(node.Node).setCut(true)
		if err := f.Stop(t.Context(), stopping); err != nil {
			t.Fatal(err)
		}
		f.stop()
		f.worker(node.Node).setCut(false)
		f.worker(endingOn.Node).exit(ending, 0)
		f.start()
		f.wait(lastRetry)
		placed, _ := f.Task(running)
		if placed.State != task.Running || len(f.running(running)) != 1 || f.worker(placed.Node).starts[running] != 1 {
			t.Errorf("the running task is %+v", placed)
		}
		if placed, _ := f.Task(ending); placed.State != task.Completed {
			t.Errorf("the task that ended meanwhile is %s", placed.State)
		}
		if placed, _ := f.Task(stopping); placed.State != task.Completed || len(f.running(stopping)) != 0 {
			t.Errorf("the task to be stopped is %s, and runs on %v", placed.State, f.running(stopping))
		}
		if placed := f.is(waiting, task.Pending, ""); placed.PendingReason == "" {
			t.Error("the waiting task has no reason")
		}
		if d, err := f.Decision(running); err != nil || d.Node != placed.Node {
			t.Errorf("the decision is %+v, %v", d, err)
		}
	})
}

// Promises are rebuilt before anything is placed.
func TestRestartKeepsPromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		f.submit(func(t *task.Task) { t.Memory = 3 << 30 })
		f.restart()
		second := f.submit(func(t *task.Task) { t.Memory = 3 << 30 })
		f.is(second, task.Pending, "")
		if n := len(f.worker("node-1").submitted); n != 1 {
			t.Errorf("the worker was handed %d tasks", n)
		}
	})
}

func TestTasksOfOthersAreReportedAndNeverTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		w := newFakeWorker("node-1", fakeRoom)
		foreign, direct := uuid.New(), uuid.New()
		w.tasks[foreign] = &task.Task{ID: foreign, State: task.Running, Allocation: 4}
		w.tasks[direct] = &task.Task{ID: direct, State: task.Running}
		f.mu.Lock()
		f.workers["node-1"] = w
		f.mu.Unlock()
		f.join("node-1")
		f.wait(time.Minute)
		for _, id := range []uuid.UUID{foreign, direct} {
			if state, _ := w.state(id); state != task.Running {
				t.Errorf("a task of others is %s", state)
			}
		}
		if !contains(f.log.String(), "did not start") {
			t.Error("nothing is said about them")
		}
	})
}

// A store restored from a backup is behind the fleet: what the workers know
// better is taken over, and numbers that are used up are skipped.
func TestRestoredBackupCatchesUpWithTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1", "node-2")
		kept, gone := f.submit(nil), f.submit(nil)
		f.stop()
		for _, name := range names(2) {
			w := f.worker(name)
			for _, id := range []uuid.UUID{kept, gone} {
				if w.tasks[id] != nil {
					w.tasks[id].Allocation = 50
				}
				w.fences[id] = 50
			}
			if w.tasks[gone] != nil {
				delete(w.tasks, gone)
			}
		}
		f.start()
		f.wait(5 * time.Minute)
		placed, _ := f.Task(kept)
		if placed.State != task.Running || placed.Allocation != 50 || len(f.running(kept)) != 1 {
			t.Errorf("the task that runs is %s with allocation %d, on %v", placed.State, placed.Allocation, f.running(kept))
		}
		placed, _ = f.Task(gone)
		if placed.State != task.Running || placed.Allocation <= 50 || len(f.running(gone)) != 1 {
			t.Errorf("the task that is gone is %s with allocation %d, on %v", placed.State, placed.Allocation, f.running(gone))
		}
	})
}

// A worker that has lost its state does not keep the manager from its tasks.
func TestTaskThatItsWorkerForgotIsPlacedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id := f.submit(nil)
		w := f.worker("node-1")
		w.change(func() { delete(w.tasks, id) })
		f.wait(2 * fakeInterval)
		if placed := f.is(id, task.Running, "node-1"); placed.Allocation != 2 {
			t.Errorf("the allocation is %d", placed.Allocation)
		}
	})
}

func TestJudge(t *testing.T) {
	record := func(node string, allocation uint64, state task.State, stop bool) *Record {
		return &Record{Node: node, StopRequested: stop, Task: task.Task{State: state, Allocation: allocation}}
	}
	cases := []struct {
		name       string
		record     *Record
		allocation uint64
		state      task.State
		want       verdict
	}{
		{"what the record says", record("here", 3, task.Scheduled, false), 3, task.Running, verdictAdopt},
		{"ended there", record("here", 3, task.Running, false), 3, task.Failed, verdictAdopt},
		{"lost and back", record("", 3, task.Pending, false), 3, task.Running, verdictAdopt},
		{"newer than the store", record("there", 3, task.Running, false), 4, task.Running, verdictAdopt},
		{"restarted by its worker", record("here", 3, task.Failed, false), 3, task.Running, verdictAdopt},
		{"an old copy", record("there", 3, task.Running, false), 2, task.Running, verdictStop},
		{"an old copy here", record("here", 3, task.Running, false), 2, task.Running, verdictStop},
		{"the same allocation elsewhere", record("there", 3, task.Running, false), 3, task.Running, verdictStop},
		{"stopped while it was away", record("here", 3, task.Completed, true), 3, task.Running, verdictStop},
		{"a copy of an ended task", record("there", 3, task.Completed, false), 2, task.Running, verdictStop},
		{"an ended old copy", record("there", 3, task.Running, false), 2, task.Completed, verdictIgnore},
		{"unknown", nil, 3, task.Running, verdictForeign},
		{"unknown and ended", nil, 3, task.Failed, verdictIgnore},
		{"asked of the worker directly", record("here", 3, task.Running, false), 0, task.Running, verdictForeign},
	}
	for _, c := range cases {
		if got := judge(c.record, "here", &task.Task{Allocation: c.allocation, State: c.state}); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestIllegalMovesAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id := f.submit(nil)
		w := f.worker("node-1")
		if err := f.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.is(id, task.Completed, "node-1")
		w.change(func() { w.tasks[id].State = task.Failed })
		f.wait(fakeInterval)
		f.is(id, task.Completed, "node-1")
	})
}

func TestReadingThatCannotBeIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		w := f.worker("node-1")
		w.mu.Lock()
		w.claims = task.Resources{Cpu: -1, Memory: 1 << 30, Disk: 1 << 30}
		w.mu.Unlock()
		f.wait(20 * time.Second)
		node, _ := f.Node("node-1")
		if node.State != wire.NodeStale || !contains(node.LastError, "cube_cpu_cores") {
			t.Errorf("the node is %s: %q", node.State, node.LastError)
		}
		if *node.CpuCores != fakeRoom.Cpu {
			t.Errorf("the last good reading is gone: %v cores", *node.CpuCores)
		}
	})
}

func TestNodeIsUnknownUntilItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		w := newFakeWorker("node-1", fakeRoom)
		w.setCut(true)
		f.mu.Lock()
		f.workers["node-1"] = w
		f.mu.Unlock()
		f.join("node-1")
		synctest.Wait()
		if node, _ := f.Node("node-1"); node.State != wire.NodeUnknown || node.CpuUsageRatio != nil || node.ReadingAge != nil {
			t.Errorf("the node is %+v", node)
		}
		id := f.submit(nil)
		f.is(id, task.Pending, "")
		if d, err := f.Decision(id); err != nil || d.Refused[0].Code != scheduler.RefusedNoReading {
			t.Errorf("the decision is %+v, %v", d, err)
		}
		f.wait(time.Minute + time.Second)
		if state := f.nodeState("node-1"); state != wire.NodeDown {
			t.Errorf("the node is %s", state)
		}
	})
}
