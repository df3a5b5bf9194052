package manager

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

func TestTaskRunsAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		w := f.worker("node-1")
		w.set(func() { w.startDelay = 20 * time.Millisecond })
		id := f.submit(nil)
		f.is(id, task.Scheduled, "node-1")
		f.wait(21 * time.Millisecond)
		// It shows as running as soon as it is: no reading came in between.
		placed := f.is(id, task.Running, "node-1")
		if placed.Allocation != 1 || placed.ContainerID != "pid:1" || placed.StartTime.IsZero() {
			t.Errorf("the running task is %+v", placed)
		}
		if err := f.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if record := f.store.record(id); !record.StopRequested {
			t.Error("the stop is not on disk")
		}
		synctest.Wait()
		f.is(id, task.Completed, "node-1")
		if err := f.Stop(t.Context(), id); err != nil {
			t.Errorf("a second stop: %v", err)
		}
		has(t, f.Stop(t.Context(), uuid.New()), wire.CodeNotFound, "no task")
	})
}

func TestExitIsSeenByTheNextReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id, failing := f.submit(nil), f.submit(nil)
		f.is(id, task.Running, "node-1")
		f.worker("node-1").exit(id, 0)
		f.worker("node-1").exit(failing, 3)
		f.wait(fakeInterval)
		f.is(id, task.Completed, "node-1")
		if placed := f.is(failing, task.Failed, "node-1"); placed.ExitCode == nil || *placed.ExitCode != 3 {
			t.Errorf("the exit code is %v", placed.ExitCode)
		}
		if node, _ := f.Node("node-1"); node.Tasks != 0 || node.Promised != (task.Resources{}) {
			t.Errorf("ended tasks still hold %+v", node)
		}
	})
}

// The book drops a task for which it has no candidate.
func TestTaskWithoutCandidateWaitsAndIsPlacedWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		id := f.submit(func(t *task.Task) { t.Memory = 8 << 30 })
		if placed := f.is(id, task.Pending, ""); placed.PendingReason != "there is no node yet" {
			t.Errorf("the reason is %q", placed.PendingReason)
		}
		f.add("small", fakeRoom)
		f.wait(fakeInterval)
		reason := f.is(id, task.Pending, "").PendingReason
		for _, word := range []string{"small", "8"} {
			if !contains(reason, word) {
				t.Errorf("the reason %q does not say %q", reason, word)
			}
		}
		d, err := f.Decision(id)
		if err != nil || d.Node != "" || len(d.Refused) != 1 || d.Refused[0].Code != "memory" {
			t.Errorf("the decision is %+v, %v", d, err)
		}
		f.add("large", task.Resources{Cpu: 8, Memory: 16 << 30, Disk: 1 << 40})
		f.is(id, task.Running, "large")
	})
}

func TestEndOfATaskMakesRoomAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		first := f.submit(func(t *task.Task) { t.Memory = 3 << 30 })
		second := f.submit(func(t *task.Task) { t.Memory = 3 << 30 })
		f.is(second, task.Pending, "")
		if err := f.Stop(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.is(second, task.Running, "node-1")
	})
}

func TestStopOfAPendingTaskEndsItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		id := f.submit(nil)
		if err := f.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if placed := f.is(id, task.Completed, ""); placed.FinishTime.IsZero() {
			t.Error("the task has no time of its end")
		}
		if w := f.add("node-1", fakeRoom); len(w.submitted) != 0 {
			t.Error("a stopped task was handed to a worker")
		}
	})
}

func TestSubmitIsOnDiskAndTellsTheSameTaskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.store.setDelay(10 * time.Millisecond)
		request := &task.Task{ID: uuid.New(), Command: []string{"true"}, Env: []string{"SECRET=1"}, State: task.Running, Allocation: 7}
		placed, created, err := f.Submit(t.Context(), request)
		if err != nil || !created || placed.State != task.Pending || placed.Allocation != 0 {
			t.Fatalf("submit gives %+v, %v, %v", placed, created, err)
		}
		if placed.Env[0] != "SECRET=***" {
			t.Errorf("the answer shows %q", placed.Env)
		}
		if record := f.store.record(request.ID); record == nil || record.Task.Env[0] != "SECRET=1" {
			t.Fatalf("on disk there is %+v", record)
		}
		if _, created, err := f.Submit(t.Context(), request); err != nil || created {
			t.Errorf("the same again: created %v, %v", created, err)
		}
		request.Command = []string{"false"}
		_, _, err = f.Submit(t.Context(), request)
		has(t, err, wire.CodeEventConflict, request.ID.String())
	})
}

func TestSubmitsAtTheSameTimeShareOneTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.store.setDelay(10 * time.Millisecond)
		before, began := f.store.saves, time.Now()
		const many = 200
		errs := make(chan error, many)
		for range many {
			go func() {
				_, _, err := f.Submit(t.Context(), &task.Task{Command: []string{"true"}})
				errs <- err
			}()
		}
		for range many {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if saves := f.store.saves - before; saves > 3 {
			t.Errorf("%d submits took %d transactions", many, saves)
		}
		if took := time.Since(began); took > 30*time.Millisecond {
			t.Errorf("they took %v", took)
		}
	})
}

// What is submitted in a list is accepted or refused each by itself, with one
// write to the disk; a list whose IDs others submit at the same time waits for
// nobody for ever.
func TestSubmitAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.store.setDelay(10 * time.Millisecond)
		known := f.submit(nil)
		before := f.store.saves
		var tasks []*task.Task
		for range 100 {
			tasks = append(tasks, &task.Task{ID: uuid.New(), Command: []string{"true"}})
		}
		other := &task.Task{ID: tasks[3].ID, Command: []string{"false"}}
		odd := []*task.Task{tasks[3], other, {ID: known, Command: []string{"other"}}, {Command: []string{"true"}, Cpu: -1}, {Command: []string{"true"}}}
		answers := make(chan []wire.Submitted, 2)
		for _, list := range [][]*task.Task{append(tasks, odd...), {tasks[99], tasks[0]}} {
			go func() {
				outcomes, err := f.SubmitAll(t.Context(), list)
				if err != nil {
					t.Error(err)
				}
				answers <- outcomes
			}()
		}
		created := 0
		for range 2 {
			for _, outcome := range <-answers {
				if outcome.HTTPStatusCode == http.StatusCreated {
					created++
					if f.store.record(outcome.ID) == nil {
						t.Errorf("%s is accepted and not on disk", outcome.ID)
					}
				}
			}
		}
		if created != len(tasks)+1 {
			t.Errorf("%d tasks were created, want %d", created, len(tasks)+1)
		}
		if saves := f.store.saves - before; saves > 2 {
			t.Errorf("the lists took %d transactions", saves)
		}
		outcomes, err := f.SubmitAll(t.Context(), odd)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []wire.Code{"", wire.CodeEventConflict, wire.CodeEventConflict, wire.CodeInvalid, ""} {
			if got := outcomes[i]; (got.Error == nil) != (want == "") || (want != "" && got.Error.Code != want) {
				t.Errorf("%d: %+v, want %q", i, got, want)
			}
		}
		f.store.setFull(true)
		_, err = f.SubmitAll(t.Context(), []*task.Task{{Command: []string{"true"}}})
		has(t, err, wire.CodeUnavailable, "no space left")
	})
}

func TestStoreThatCannotBeWrittenChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id := f.submit(nil)
		f.is(id, task.Running, "node-1")
		f.store.setFull(true)
		_, _, err := f.Submit(t.Context(), &task.Task{Command: []string{"true"}})
		has(t, err, wire.CodeUnavailable, "no space left")
		has(t, f.Stop(t.Context(), id), wire.CodeUnavailable, "no space left")
		_, err = f.Join(t.Context(), wire.Join{URL: "http://node-2"})
		has(t, err, wire.CodeUnavailable, "no space left")
		f.wait(time.Second)
		if placed := f.is(id, task.Running, "node-1"); placed.StopRequested {
			t.Error("a stop that was refused is acted on")
		}
		if page := f.Tasks(Filter{}); page.Len() != 1 {
			t.Errorf("there are %d tasks, want 1", page.Len())
		}
		// What happened meanwhile is written once it can be.
		f.worker("node-1").exit(id, 0)
		f.wait(fakeInterval)
		f.is(id, task.Completed, "node-1")
		f.store.setFull(false)
		f.wait(2 * storeRetry)
		if record := f.store.record(id); record.Task.State != task.Completed {
			t.Errorf("on disk the task is %s", record.Task.State)
		}
	})
}

// Decisions of one batch can be in two transactions. Those of one that failed are
// taken back, whatever becomes of the other.
func TestNoWorkerIsToldOfADecisionWhoseTransactionFailed(t *testing.T) {
	for try := range 5 { // when the first transaction closes is a matter of chance
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, "node-1")
			var lost []*Record
			f.store.setRefuses(func(c Changes) bool {
				if lost != nil || len(c.Decisions) == 0 {
					return false
				}
				lost = c.Tasks
				return true
			})
			requests := make([]*task.Task, 4*maxHeld)
			for i := range requests {
				requests[i] = &task.Task{ID: uuid.New(), Command: []string{"true"}, Cpu: 0.001, Memory: 1 << 20, Disk: 1 << 20}
			}
			if _, err := f.SubmitAll(t.Context(), requests); err != nil {
				t.Fatal(err)
			}
			f.wait(storeRetry / 2)
			told := map[uuid.UUID]bool{}
			w := f.worker("node-1")
			w.set(func() {
				for _, event := range w.submitted {
					told[event.Task.ID] = true
				}
			})
			f.store.setRefuses(nil)
			for _, record := range lost {
				if told[record.Task.ID] {
					t.Fatalf("try %d: the worker was told of a task whose placement is not on disk; %d of %d were lost", try, len(lost), len(requests))
				}
			}
			f.wait(2 * storeRetry)
			w.set(func() {
				if n := len(w.submitted); n != len(requests) {
					t.Errorf("the worker was told of %d tasks in the end, want %d", n, len(requests))
				}
			})
		})
	}
}

func TestPlacingPausesWhileTheStoreCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		id := f.submit(nil)
		w := f.add("node-1", fakeRoom)
		w.set(func() { w.startDelay = time.Millisecond })
		f.wait(time.Second)
		f.is(id, task.Running, "node-1")
		second := f.submit(func(t *task.Task) { t.Memory = 4 << 30 })
		f.store.setFull(true)
		f.worker("node-1").exit(id, 0)
		f.wait(2 * fakeInterval)
		if reason := f.is(second, task.Pending, "").PendingReason; !contains(reason, "no space left") {
			t.Errorf("the reason is %q", reason)
		}
		if n := len(f.worker("node-1").submitted); n != 1 {
			t.Errorf("the worker was handed %d tasks before the decision was on disk", n)
		}
		f.store.setFull(false)
		f.wait(2 * fakeInterval)
		if placed := f.is(second, task.Running, "node-1"); placed.Allocation != 1 {
			t.Errorf("the allocation is %d", placed.Allocation)
		}
	})
}

// What did not reach the disk is written again as it was; a stop that is on its
// way to the disk at that moment is not undone there.
func TestStopSurvivesTheWritingAgainOfItsTask(t *testing.T) {
	const saving = 30 * time.Millisecond
	// What failed is written again about once in storeRetry.
	for _, offset := range []time.Duration{0, saving / 2, storeRetry / 2, storeRetry - saving/2, storeRetry} {
		t.Run(offset.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, "node-1")
				w := f.worker("node-1")
				w.set(func() { w.startDelay = 10 * time.Millisecond })
				id := f.submit(nil)
				f.store.setFull(true)
				f.wait(time.Second) // that it runs cannot be written
				f.is(id, task.Running, "node-1")
				w.setCut(true) // so that nothing but the stop changes it
				f.store.setFull(false)
				f.store.setDelay(saving)
				<-time.After(offset)
				if err := f.Stop(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				f.wait(2 * storeRetry)
				if !f.store.record(id).StopRequested {
					t.Error("the stop was accepted and is not on disk")
				}
			})
		})
	}
}
