package worker

import (
	"fmt"
	"math"
	"strconv"

	"cube/worker/task"
	"cube/worker/wire"
)

// room is an amount of resources in whole numbers, so that what is added and
// taken away again any number of times comes out at nothing.
type room struct {
	nanoCpu int64 // billionths of a core
	memory  int64 // bytes
	disk    int64 // bytes
}

func (a room) add(b room) room {
	return room{a.nanoCpu + b.nanoCpu, a.memory + b.memory, a.disk + b.disk}
}

func (a room) sub(b room) room {
	return room{a.nanoCpu - b.nanoCpu, a.memory - b.memory, a.disk - b.disk}
}

// maxNanoCpu bounds one figure so that sums of many stay inside an int64; the
// other figures are bounded by what they are compared with before they are added.
const maxNanoCpu = math.MaxInt64 / (1 << 20)

func toRoom(r task.Resources) room {
	nano := int64(maxNanoCpu)
	if r.Cpu*1e9 < maxNanoCpu {
		nano = int64(math.Round(r.Cpu * 1e9))
	}
	return room{nanoCpu: nano, memory: int64(r.Memory), disk: int64(r.Disk)}
}

func (a room) resources() task.Resources {
	return task.Resources{Cpu: float64(a.nanoCpu) / 1e9, Memory: task.Bytes(a.memory), Disk: task.Bytes(a.disk)}
}

// roomOf is what the record's task takes while it is live.
func roomOf(r *Record) room {
	if r == nil || !r.live() {
		return room{}
	}
	return toRoom(r.Task.Promise())
}

// hold makes a task take so much room. The caller holds mu.
func (w *Worker) hold(e *entry, r room) {
	if (e.held != room{}) {
		w.holding--
	}
	if (r != room{}) {
		w.holding++
	}
	w.promised = w.promised.sub(e.held).add(r)
	e.held = r
}

// Allocatable is what tasks may ask for in all: the machine's capacity less the
// reserve. CPU requests may total OvercommitCpu times its cores.
func (w *Worker) Allocatable() (task.Resources, error) {
	capacity, err := w.cfg.Capacity()
	override := w.cfg.CapacityOverride
	if err != nil && (override.Cpu == 0 || override.Memory == 0 || override.Disk == 0) {
		return task.Resources{}, fmt.Errorf("the machine's capacity cannot be read: %w", err)
	}
	if override.Cpu > 0 {
		capacity.Cpu = override.Cpu
	}
	if override.Memory > 0 {
		capacity.Memory = override.Memory
	}
	if override.Disk > 0 {
		capacity.Disk = override.Disk
	}
	left := capacity.Sub(w.cfg.Reserve)
	return task.Resources{Cpu: max(0, left.Cpu), Memory: max(0, left.Memory), Disk: max(0, left.Disk)}, nil
}

// Allocated is what the live tasks here asked for, together.
func (w *Worker) Allocated() task.Resources {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.promised.resources()
}

// admit makes the entry hold what t asks for in place of what it holds now, or
// says what there is too little of (no_room). The caller holds mu.
func (w *Worker) admit(e *entry, t *task.Task, allocatable task.Resources) error {
	ask := toRoom(t.Promise())
	limit := toRoom(task.Resources{
		Cpu: allocatable.Cpu * w.cfg.OvercommitCpu, Memory: allocatable.Memory, Disk: allocatable.Disk,
	})
	others := w.promised.sub(e.held)
	tasks := w.holding
	if (e.held != room{}) {
		tasks--
	}
	// What is over-promised, since the machine has shrunk, is no room less
	// than none.
	free := limit.sub(others)
	free = room{max(0, free.nanoCpu), max(0, free.memory), max(0, free.disk)}
	bytes := func(n int64) string { return task.Bytes(n).String() }
	switch {
	case ask.memory > free.memory:
		return noRoom("Memory", bytes(ask.memory), bytes(free.memory), bytes(limit.memory), bytes(others.memory), tasks)
	case ask.disk > free.disk:
		return noRoom("Disk", bytes(ask.disk), bytes(free.disk), bytes(limit.disk), bytes(others.disk), tasks)
	case ask.nanoCpu > free.nanoCpu:
		return noRoom("Cpu", cores(ask.nanoCpu), cores(free.nanoCpu),
			fmt.Sprintf("%s (%s allocatable, overcommitted %v times)", cores(limit.nanoCpu), cores(toRoom(allocatable).nanoCpu), w.cfg.OvercommitCpu),
			cores(others.nanoCpu), tasks)
	}
	w.hold(e, ask)
	return nil
}

// leastFree is what has to be left of the worker's own file system, in bytes, for a
// task to be taken: the record of the largest one, a request's megabyte, is written
// beside what is there, and its run has files. With less it would be taken and could
// not be started.
const leastFree = 4 << 20

// checkFree refuses a task where its own records would not fit (no_room).
func (w *Worker) checkFree() error {
	if w.cfg.Free == nil {
		return nil
	}
	free, err := w.cfg.Free()
	if err != nil {
		return wire.New(wire.CodeUnavailable, "what is left of the worker's own disk cannot be read: %v", err)
	}
	if free < leastFree {
		return wire.New(wire.CodeNoRoom, "Disk: %s is left of the file system with the worker's own state; a task is taken where %s are",
			free, task.Bytes(leastFree)).WithField("Disk")
	}
	return nil
}

// noRoom is the refusal, with the figures it came from.
func noRoom(field, asked, free, allocatable, promised string, tasks int) error {
	noun := "tasks"
	if tasks == 1 {
		noun = "task"
	}
	return wire.New(wire.CodeNoRoom, "%s: the task asks for %s; %s of %s is free, %s is promised to %d %s",
		field, asked, free, allocatable, promised, tasks, noun).WithField(field)
}

func cores(nano int64) string {
	return strconv.FormatFloat(float64(nano)/1e9, 'g', 6, 64) + " cores"
}
