package simulate

import (
	"slices"
	"time"

	"cube/worker/task"
)

// run is a task on a machine.
type run struct {
	arrival int // index in the schedule
	task    *Task
	machine *machine
	index   int // in machine.runs
	start   time.Duration
	use     int64      // thousandths of a core asked for in this slot
	memory  task.Bytes // in use in this slot
	used    float64    // core-seconds served up to joined
	joined  float64    // the machine's served time then
}

// machine is a machine in a replay. Amounts are whole numbers, so that what is
// taken away is exactly what was added; the integrals are up to the instant at.
type machine struct {
	Machine
	runs      []*run
	cpu       int64 // thousandths of a core asked for at present
	memory    task.Bytes
	cpuAsked  int64      // Σ requests of the runs, thousandths of a core
	memAsked  task.Bytes // Σ requests of the runs
	cpuLimit  int64
	everUsed  bool
	at        time.Duration
	served    float64 // ∫ min(1, capacity/asked) dt, seconds
	busy      float64 // ∫ min(asked, capacity) dt, core-seconds
	asked     float64 // ∫ asked dt, core-seconds
	highWater task.Bytes
}

func newMachine(m Machine) *machine {
	return &machine{Machine: m, cpuLimit: int64(float64(m.Cpu) * m.Overcommit)}
}

// fits is the admission rule.
func (m *machine) fits(t *Task) bool {
	return m.cpuAsked+t.Cpu <= m.cpuLimit && m.memAsked+t.Memory <= m.Memory
}

// share is how much of what it asks for every task is served.
func (m *machine) share() float64 {
	if m.cpu <= m.Cpu {
		return 1
	}
	return float64(m.Cpu) / float64(m.cpu)
}

// advance brings the integrals up to now.
func (m *machine) advance(now time.Duration) {
	s := (now - m.at).Seconds()
	if s <= 0 {
		return
	}
	m.at = now
	m.served += s * m.share()
	m.busy += s * float64(min(m.cpu, m.Cpu)) / milli
	m.asked += s * float64(m.cpu) / milli
}

// start puts a run on the machine.
func (m *machine) start(r *run, now time.Duration) {
	m.advance(now)
	r.machine, r.index, r.start, r.joined = m, len(m.runs), now, m.served
	r.use = int64(r.task.CpuUse[slotOf(now)])
	m.runs = append(m.runs, r)
	m.everUsed = true
	m.cpuAsked += r.task.Cpu
	m.memAsked += r.task.Memory
	m.cpu += r.use
	r.memory = r.task.memoryUse(slotOf(now))
	m.memory += r.memory
	m.highWater = max(m.highWater, m.memory)
}

// stop takes a run away.
func (m *machine) stop(r *run, now time.Duration) {
	m.advance(now)
	last := len(m.runs) - 1
	m.runs[r.index] = m.runs[last]
	m.runs[r.index].index = r.index
	m.runs = slices.Delete(m.runs, last, last+1)
	m.cpuAsked -= r.task.Cpu
	m.memAsked -= r.task.Memory
	m.cpu -= r.use
	m.memory -= r.memory
	r.machine = nil
}

// turn goes on to the next slot.
func (m *machine) turn(slot int) {
	m.advance(time.Duration(slot) * Slot)
	m.cpu, m.memory = 0, 0
	for _, r := range m.runs {
		m.count(r)
		r.use = int64(r.task.CpuUse[slot])
		m.cpu += r.use
		r.memory = r.task.memoryUse(slot)
		m.memory += r.memory
	}
	m.highWater = max(m.highWater, m.memory)
}

// count brings what a run was served up to the machine's instant.
func (m *machine) count(r *run) {
	r.used += float64(r.use) / milli * (m.served - r.joined)
	r.joined = m.served
}
