package simulate

import (
	"time"

	"cube/worker/task"
)

// A day is cut in slots of five minutes.
const (
	Slot  = 300 * time.Second
	Slots = 288
	Day   = Slots * Slot
)

// Warmup is how much of the day is replayed and not counted.
const Warmup = time.Hour

const warmupSlots = int(Warmup / Slot)

// milli is the unit that CPU is recorded in: a thousandth of a core. A trace in
// MIPS or MHz is read as if a core had 1000 of them.
const milli = 1000

// Trace is recorded load: tasks, machines, and when the tasks come and go.
type Trace struct {
	Name      string
	Tasks     []Task
	Machines  []Machine
	Schedules []Schedule
}

// Task is what the record says of one task over a day.
type Task struct {
	// Source is what the record calls it. No scheduler is told.
	Source string
	Cpu    int64      // thousandths of a core asked for
	Memory task.Bytes // asked for
	// CpuUse is the CPU in use in each slot, in thousandths of a core.
	CpuUse []int32
	// MemoryUse is the memory in use in each slot; nil where none was
	// recorded: then the task uses what it asked for.
	MemoryUse []task.Bytes
}

// Machine is one that tasks run on.
type Machine struct {
	Cpu        int64 // thousandths of a core
	Memory     task.Bytes
	Overcommit float64 // CPU requests may total this × Cpu
}

// Schedule is one day of arrivals, sorted by when they come.
type Schedule struct {
	// Seed numbers the schedule; scrape phases and draws follow from it.
	Seed     int
	Arrivals []Arrival
	// Tasks and Machines replace the trace's on this day; nil leaves those.
	Tasks    []Task
	Machines []Machine
}

// Arrival is a task that comes and goes.
type Arrival struct {
	Task           int // index in the schedule's tasks, or else the trace's
	Arrive, Depart time.Duration
}

// memoryUse returns what the task uses in a slot.
func (t *Task) memoryUse(slot int) task.Bytes {
	if t.MemoryUse == nil {
		return t.Memory
	}
	return t.MemoryUse[slot]
}

// slotOf returns the slot that an instant of the day lies in.
func slotOf(at time.Duration) int { return min(int(at/Slot), Slots-1) }

// Fleet returns n machines that alternate between the first two types of the
// trace's machines.
func (t *Trace) Fleet(n int) []Machine {
	first, second := t.types()
	fleet := make([]Machine, n)
	for i := range fleet {
		fleet[i] = first
		if i%2 == 1 {
			fleet[i] = second
		}
	}
	return fleet
}

// types returns the first two types of machines that the trace has; twice the
// same when there is only one.
func (t *Trace) types() (first, second Machine) {
	first, second = t.Machines[0], t.Machines[0]
	for _, m := range t.Machines {
		if m != first {
			return first, m
		}
	}
	return first, second
}

// ScaleMemory returns machines with so much of the memory.
func ScaleMemory(machines []Machine, factor float64) []Machine {
	scaled := make([]Machine, len(machines))
	for i, m := range machines {
		m.Memory = task.Bytes(float64(m.Memory) * factor)
		scaled[i] = m
	}
	return scaled
}
