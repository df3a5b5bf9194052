package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// Every simulated machine has this much for tasks.
const (
	machineCpu    = 64.0
	machineMemory = 256 << 30
	machineDisk   = 2 << 40
	overcommitCpu = 2.0
)

// maxEnded is how many ended tasks a worker lists, as the real one.
const maxEnded = 1000

// worker is one simulated worker.
type worker struct {
	fleet *fleet
	name  string
	page  *page
	lost  atomic.Bool // nothing that it is asked is answered any more

	mu         sync.Mutex // guards what follows
	tasks      map[uuid.UUID]*held
	fences     map[uuid.UUID]uint64 // allocations that are not to be started any more
	ended      []uuid.UUID          // oldest first
	born       uint64               // the first generation
	generation uint64
	news       uint64        // the generation of the last change but acceptances
	moved      chan struct{} // closed at the next news; nil while nobody waits
	promised   task.Resources
	states     [len(task.States)]int
}

// held is a task on a worker. Its text is what the API shows of it.
type held struct {
	task    task.Task
	event   uuid.UUID
	text    json.RawMessage
	changed uint64 // generation
	end     *time.Timer
}

func newWorker(f *fleet, name string, p *page) *worker {
	born := uint64(time.Now().UnixMicro())
	return &worker{
		fleet: f, name: name, page: p, born: born, generation: born, news: born,
		tasks: map[uuid.UUID]*held{}, fences: map[uuid.UUID]uint64{},
	}
}

// show makes the change of a task seen. The caller holds mu.
func (w *worker) show(h *held) {
	w.generation++
	h.changed = w.generation
	h.text, _ = wire.AppendTask(make([]byte, 0, 512), &h.task) // one that came as JSON always can be
	if h.task.State == task.Scheduled {
		return
	}
	w.news = w.generation
	if w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
}

// count keeps sums and numbers. The caller holds mu.
func (w *worker) count(h *held, by int) {
	w.states[h.task.State] += by
	if h.task.State.Ended() {
		return
	}
	p := h.task.Promise()
	w.promised.Cpu += float64(by) * p.Cpu
	w.promised.Memory += task.Bytes(by) * p.Memory
	w.promised.Disk += task.Bytes(by) * p.Disk
}

// submit serves POST /tasks.
func (w *worker) submit(event *task.Event) (text json.RawMessage, created bool, err error) {
	asked := time.Now()
	id := event.Task.ID
	w.mu.Lock()
	defer w.mu.Unlock()
	have := w.tasks[id]
	switch {
	case event.State != task.Running || id == uuid.Nil:
		return nil, false, wire.New(wire.CodeInvalid, "only starts are simulated")
	case have != nil && have.event == event.ID:
		return have.text, false, nil
	case w.fences[id] >= event.Task.Allocation && event.Task.Allocation > 0, have != nil && have.task.Allocation >= event.Task.Allocation:
		return nil, false, wire.New(wire.CodeStaleAllocation, "a newer allocation of %s has been seen", id)
	case have != nil && !have.task.State.Ended():
		w.fleet.doubled.Add(1)
		return nil, false, wire.New(wire.CodeIllegalTransition, "an older allocation of %s is live", id)
	}
	p := event.Task.Promise()
	if w.promised.Memory+p.Memory > machineMemory || w.promised.Disk+p.Disk > machineDisk || w.promised.Cpu+p.Cpu > overcommitCpu*machineCpu {
		return nil, false, wire.New(wire.CodeNoRoom, "there is no room for %s", id)
	}
	h := &held{task: event.Task, event: event.ID}
	h.task.State = task.Scheduled
	w.tasks[id] = h
	w.count(h, +1)
	w.show(h)
	text = h.text
	time.AfterFunc(w.fleet.startDelay, func() { w.start(h, asked) })
	return text, true, nil
}

// start lets a task run, unless it has been stopped.
func (w *worker) start(h *held, asked time.Time) {
	w.mu.Lock()
	if h.task.State != task.Scheduled {
		w.mu.Unlock()
		return
	}
	w.count(h, -1)
	h.task.State, h.task.StartTime, h.task.ContainerID = task.Running, time.Now().UTC(), "pid:4242"
	w.count(h, +1)
	w.show(h)
	if life, ends := lifeOf(&h.task); ends {
		h.end = time.AfterFunc(life, func() { w.finish(h) })
	}
	w.mu.Unlock()
	w.fleet.started.Add(1)
	w.fleet.births <- started{h.task.ID, asked}
}

// lifeOf is how long a task "sleep N" runs.
func lifeOf(t *task.Task) (time.Duration, bool) {
	if len(t.Command) != 2 {
		return 0, false
	}
	seconds, err := strconv.ParseFloat(t.Command[1], 64)
	return time.Duration(seconds * float64(time.Second)), err == nil && seconds > 0 && seconds < 1e6
}

func (w *worker) finish(h *held) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endTask(h)
}

// endTask ends a live task. The caller holds mu.
func (w *worker) endTask(h *held) {
	if h.task.State.Ended() {
		return
	}
	w.count(h, -1)
	code := 0
	h.task.State, h.task.FinishTime, h.task.ExitCode = task.Completed, time.Now().UTC(), &code
	w.count(h, +1)
	w.show(h)
	w.fleet.ended.Add(1)
	if w.ended = append(w.ended, h.task.ID); len(w.ended) > maxEnded {
		w.forget(w.ended[0])
		w.ended = w.ended[1:]
	}
}

// forget stops listing an ended task. The caller holds mu.
func (w *worker) forget(id uuid.UUID) {
	h := w.tasks[id]
	if h == nil || !h.task.State.Ended() {
		return
	}
	w.count(h, -1)
	w.fences[id] = max(w.fences[id], h.task.Allocation)
	delete(w.tasks, id)
	w.generation++
}

// stop serves DELETE /tasks/{taskID}.
func (w *worker) stop(id uuid.UUID, allocation *uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.tasks[id]
	switch {
	case h == nil && allocation == nil:
		return wire.New(wire.CodeNotFound, "there is no task %s here", id)
	case h == nil:
		w.fences[id] = max(w.fences[id], *allocation)
	case allocation != nil && h.task.Allocation > *allocation:
		return wire.New(wire.CodeStaleAllocation, "a newer allocation of %s is here", id)
	default:
		w.fences[id] = max(w.fences[id], h.task.Allocation)
		if h.end != nil {
			h.end.Stop()
		}
		w.endTask(h)
	}
	return nil
}

// await blocks until something has changed after since besides tasks having been
// accepted.
func (w *worker) await(ctx context.Context, since uint64, wait time.Duration) {
	w.mu.Lock()
	if w.news > since || since > w.generation {
		w.mu.Unlock()
		return
	}
	if w.moved == nil {
		w.moved = make(chan struct{})
	}
	moved := w.moved
	w.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-moved:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// list writes GET /tasks: all tasks, ordered by ID, or with changed those that
// have changed after since, where that is known.
func (w *worker) list(into *bytes.Buffer, since uint64, changed bool) (generation uint64, partial bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	partial = changed && since >= w.born && since <= w.generation
	var ids []uuid.UUID
	for id, h := range w.tasks {
		if !partial || h.changed > since {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	into.WriteByte('[')
	for i, id := range ids {
		if i > 0 {
			into.WriteByte(',')
		}
		into.Write(w.tasks[id].text)
	}
	into.WriteString("]\n")
	return w.generation, partial
}

// running counts the tasks that run; none on a worker that is lost.
func (w *worker) running() int {
	if w.lost.Load() {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.states[task.Running]
}
