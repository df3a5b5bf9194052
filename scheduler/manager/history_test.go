package manager

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

var (
	histories = flag.Int("histories", 0, "how many random histories TestRandomHistories runs; 0 is 1,000, or 10,000 with CUBE_TEST_LONG")
	historyOf = flag.Uint64("history", 0, "the one history to run again, by its seed")
)

// onceFailed are the seeds of histories that have failed, with what was wrong.
// They run whatever the flags say. A change of what a history draws makes others
// of them, so that each also is a test of its own where it was understood.
var onceFailed = map[uint64]string{}

// history is a fleet to which random things happen, with what clients were
// told.
type history struct {
	*fleet
	rng      *rand.Rand
	accepted map[uuid.UUID]bool // accepted; true once a stop was accepted
	exited   map[uuid.UUID]bool // ended by itself
	names    []string
}

// Whatever happens to the fleet, once it has healed every accepted task is in
// exactly one right place and every answer that was given is true.
func TestRandomHistories(t *testing.T) {
	if *historyOf != 0 {
		runHistory(t, *historyOf)
		return
	}
	many := uint64(*histories)
	switch {
	case many > 0:
	case os.Getenv("CUBE_TEST_LONG") != "":
		many = 10_000
	default:
		many = 1000
	}
	for seed, wrong := range onceFailed {
		t.Run("again/"+wrong, func(t *testing.T) { runHistory(t, seed) })
	}
	parts := uint64(runtime.GOMAXPROCS(0))
	for part := range parts {
		t.Run(fmt.Sprintf("part %d", part), func(t *testing.T) {
			t.Parallel()
			for seed := part + 1; seed <= many; seed += parts {
				if !t.Run(fmt.Sprint(seed), func(t *testing.T) { runHistory(t, seed) }) {
					t.Fatalf("run it again with: go test ./scheduler/manager -run TestRandomHistories -history %d", seed)
				}
			}
		})
	}
}

func runHistory(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := &history{
			rng: rng, accepted: map[uuid.UUID]bool{}, exited: map[uuid.UUID]bool{}, names: names(2 + rng.IntN(3)),
		}
		h.fleet = newFleet(t, h.names...)
		for _, name := range h.names {
			w := h.worker(name)
			w.set(func() {
				w.startDelay = time.Duration(rng.IntN(3)) * 50 * time.Millisecond
				w.lateAnswer = time.Duration(rng.IntN(3)) * 40 * time.Millisecond
			})
		}
		for range 40 + rng.IntN(60) {
			h.step()
		}
		h.heal()
		h.check()
	})
}

// step has one thing happen, and some time pass.
func (h *history) step() {
	w := h.worker(h.names[h.rng.IntN(len(h.names))])
	switch h.rng.IntN(18) {
	case 0, 1, 2, 3, 4:
		h.submitOne()
	case 5, 6:
		h.stopOne()
	case 7, 8:
		h.exitOne(w)
	case 9:
		cut := h.rng.IntN(2) == 0
		w.setCut(cut)
	case 10:
		w.set(func() { w.deaf = h.rng.IntN(2) == 0 })
	case 11:
		w.set(func() { w.hangs = h.rng.IntN(2) == 0 })
	case 12:
		h.store.setFull(h.rng.IntN(2) == 0)
	case 13:
		h.store.setFull(false)
		h.restart()
	case 14:
		h.store.setDelay(time.Duration(h.rng.IntN(3)) * 7 * time.Millisecond)
	case 15:
		// What cannot be written down is not done; the next may succeed.
		if h.rng.IntN(2) == 0 {
			_ = h.Drain(w.name, time.Duration(h.rng.IntN(60))*time.Second)
		} else {
			_ = h.Resume(w.name)
		}
	case 16:
		h.store.failNext(1 + h.rng.IntN(3))
	case 17:
		h.wait(time.Duration(h.rng.IntN(90)) * time.Second)
	}
	h.wait(time.Duration(h.rng.IntN(2000)) * time.Millisecond)
}

func (h *history) submitOne() {
	request := &task.Task{ID: h.newID(), Command: []string{"true"}, Cpu: 0.5, Memory: task.Bytes(1+h.rng.IntN(3)) << 29}
	if h.rng.IntN(2) == 0 {
		request.RestartPolicy = task.RestartAlways
	}
	if request.ID[0]%2 == 0 {
		h.submitTwice(request)
		return
	}
	_, created, err := h.Submit(h.t.Context(), request)
	if err == nil && created {
		h.accepted[request.ID] = false
	}
}

// submitTwice submits a task in a list that has it twice: it is accepted once.
func (h *history) submitTwice(request *task.Task) {
	outcomes, err := h.SubmitAll(h.t.Context(), []*task.Task{request, request})
	switch {
	case err != nil: // the disk; then it was not accepted
	case outcomes[0].HTTPStatusCode == http.StatusCreated && outcomes[1].HTTPStatusCode == http.StatusOK:
		h.accepted[request.ID] = false
	default:
		h.t.Errorf("a task that is submitted twice in a list: %+v", outcomes)
	}
}

// newID is the same for the same seed.
func (h *history) newID() (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], h.rng.Uint64())
	return id
}

func (h *history) ids() []uuid.UUID {
	var ids []uuid.UUID
	for placed := range h.list(Filter{}) {
		ids = append(ids, placed.ID)
	}
	return ids
}

func (h *history) stopOne() {
	ids := h.ids()
	if len(ids) == 0 {
		return
	}
	id := ids[h.rng.IntN(len(ids))]
	if err := h.Stop(h.t.Context(), id); err == nil {
		h.accepted[id] = true
	}
}

// exitOne ends a task by itself where it is rightly running.
func (h *history) exitOne(w *fakeWorker) {
	for placed := range h.list(Filter{States: []task.State{task.Running}, Node: w.name}) {
		if state, known := w.state(placed.ID); known && state == task.Running {
			w.exit(placed.ID, h.rng.IntN(2))
			h.exited[placed.ID] = true
			return
		}
	}
}

// heal lets everything work again, and gives it the time it may take.
func (h *history) heal() {
	h.store.setFull(false)
	h.store.failNext(0)
	h.store.setDelay(0)
	for _, name := range h.names {
		w := h.worker(name)
		w.set(func() { w.cut, w.deaf, w.hangs = false, false, false })
		if err := h.Resume(name); err != nil {
			h.t.Fatal(err)
		}
	}
	h.wait(5 * time.Minute)
}

func (h *history) check() {
	h.t.Helper()
	onDisk := h.store.records()
	for id, stopped := range h.accepted {
		h.checkTask(id, stopped, onDisk[id])
	}
	if len(h.ids()) != len(h.accepted) {
		h.t.Errorf("%d tasks are listed, %d were accepted", len(h.ids()), len(h.accepted))
	}
	h.checkSums()
	if h.t.Failed() {
		h.t.Log(h.log.String())
	}
}

func (h *history) checkTask(id uuid.UUID, stopped bool, record *Record) {
	h.t.Helper()
	placed, err := h.Task(id)
	if err != nil {
		h.t.Errorf("an accepted task is lost: %v", err)
		return
	}
	on := h.running(id)
	switch {
	case stopped && (!placed.State.Ended() || len(on) > 0):
		h.t.Errorf("task %s was stopped; it is %s and runs on %v", id, placed.State, on)
	case placed.State == task.Running && !slices.Equal(on, []string{placed.Node}):
		h.t.Errorf("task %s is running on %s; it runs on %v", id, placed.Node, on)
	case placed.State != task.Running && len(on) > 0:
		h.t.Errorf("task %s is %s; it runs on %v", id, placed.State, on)
	case placed.State == task.Scheduled:
		h.t.Errorf("task %s is still scheduled on %s", id, placed.Node)
	case placed.State.Ended() && !stopped && !placed.StopRequested && !h.exited[id]:
		h.t.Errorf("task %s is %s, and nobody ended it", id, placed.State)
	case placed.State == task.Pending && placed.PendingReason == "":
		h.t.Errorf("task %s is pending without a reason", id)
	}
	if record == nil || record.Task.State != placed.State || record.Node != placed.Node ||
		record.Task.Allocation != placed.Allocation || record.StopRequested != placed.StopRequested {
		h.t.Errorf("task %s is %+v; on disk it is %+v", id, placed, record)
	}
}

// checkSums holds what is derived against what it is derived from.
func (h *history) checkSums() {
	h.t.Helper()
	for _, name := range h.names {
		node, err := h.Node(name)
		if err != nil || node.State != wire.NodeReady {
			h.t.Errorf("the node %s is %s: %q, %v", name, node.State, node.LastError, err)
		}
		live := 0
		for placed := range h.list(Filter{Node: name}) {
			if !placed.State.Ended() {
				live++
			}
		}
		h.Manager.mu.Lock()
		in, _, _ := h.Manager.state.Inspect(name, h.Manager.now())
		h.Manager.mu.Unlock()
		if node.Tasks != live || in.Tasks != live || in.MemoryPromised != float64(node.Promised.Memory) {
			h.t.Errorf("on %s there are %d tasks; it shows %d, the scheduler %d with %v promised of %v",
				name, live, node.Tasks, in.Tasks, in.MemoryPromised, node.Promised.Memory)
		}
	}
}
