package simulate

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
)

// epoch is what the machines' clocks say when the day begins, in Unix seconds,
// and dawn what the scheduler's clock says: late
// enough for the days before, which a scheduler may have lived through.
const (
	epoch = 1_000_000_000
	dawn  = scheduler.Instant(3 * 24 * time.Hour)
)

// instant is a moment of the day on the scheduler's clock.
func instant(at time.Duration) scheduler.Instant { return dawn + scheduler.Instant(at) }

// clock is the same on the machines' clocks.
func clock(at time.Duration) float64 { return epoch + at.Seconds() }

// usageWindow is how far the metric cube_cpu_usage_ratio looks back.
const usageWindow = 15 * time.Second

// exporter is the metrics page of one machine. As the worker's does, it
// remembers earlier readings, and compares the present one with that which is
// nearest to a window ago.
type exporter struct {
	machine *machine
	name    string
	kept    []busyAt
	reading scheduler.Reading
}

type busyAt struct {
	at   time.Duration
	busy float64
}

func newExporter(m *machine, index int, began time.Duration) *exporter {
	return &exporter{machine: m, name: nodeName(index), kept: []busyAt{{at: began}}}
}

func nodeName(index int) string { return "node" + strconv.Itoa(index) }

// scrape returns what the page says at now. The reading is the exporter's own
// until the next.
func (e *exporter) scrape(now time.Duration) *scheduler.Reading {
	m := e.machine
	m.advance(now)
	cores := float64(m.Cpu) / milli
	busy, window := e.usage(now)
	r := &e.reading
	tasks := r.Tasks[:0]
	for _, run := range m.runs {
		m.count(run)
		tasks = append(tasks, scheduler.TaskReading{
			ID: taskID(run.arrival), CpuSeconds: run.used,
			MemoryBytes: float64(run.memory), StartTime: clock(run.start),
		})
	}
	*r = scheduler.Reading{
		Node: e.name, At: instant(now), Clock: clock(now),
		CpuUsage: min(1, busy/(window*cores)), CpuWindow: window, CpuCores: cores,
		MemoryTotal: float64(m.Memory), MemoryAvailable: float64(max(0, m.Memory-m.memory)),
		DiskTotal: diskBytes, DiskAvailable: diskBytes,
		Load1:          scheduler.Absent(),
		AllocatableCpu: cores, AllocatableMemory: float64(m.Memory), AllocatableDisk: diskBytes,
		OvercommitCpu: m.Overcommit, TasksGeneration: scheduler.Absent(),
		Tasks: tasks,
	}
	return r
}

// diskBytes is the disk of every machine: traces have none, and tasks ask for
// none.
const diskBytes = 1 << 40

// usage returns the core-seconds that were busy in the window, and how long it
// was in seconds.
func (e *exporter) usage(now time.Duration) (busy, window float64) {
	nearest := e.kept[0]
	for _, k := range e.kept {
		if (now - k.at - usageWindow).Abs() <= (now - nearest.at - usageWindow).Abs() {
			nearest = k
		}
	}
	e.kept = slices.DeleteFunc(e.kept, func(k busyAt) bool { return now-k.at > 2*usageWindow })
	e.kept = append(e.kept, busyAt{now, e.machine.busy})
	return e.machine.busy - nearest.busy, (now - nearest.at).Seconds()
}

// taskID is the ID of an arrival.
func taskID(arrival int) uuid.UUID { return numbered(0, arrival) }

// historyID is the ID of a task of the days before.
func historyID(n int) uuid.UUID { return numbered(1, n) }

func numbered(kind byte, n int) uuid.UUID {
	id := uuid.UUID{0: kind, 6: 0x40, 8: 0x80}
	for i := range 4 {
		id[15-i] = byte(n >> (8 * i))
	}
	return id
}

// rounds is the order in which machines are read: each at a phase of its own.
type rounds struct {
	interval time.Duration
	phases   []phase // sorted
	next     int
	round    time.Duration // when the present round began
}

type phase struct {
	at       time.Duration // within the interval
	exporter *exporter
}

// newRounds draws the phases. The round before the day begins comes first, so
// that each machine was read once, idle.
func newRounds(machines []*machine, interval time.Duration, chance *rand.Rand) *rounds {
	r := &rounds{interval: interval, round: -interval}
	for i, m := range machines {
		at := time.Duration(chance.Float64() * float64(interval)).Truncate(time.Millisecond)
		m.at = at - 2*interval
		r.phases = append(r.phases, phase{at, newExporter(m, i, m.at)})
	}
	slices.SortStableFunc(r.phases, func(a, b phase) int { return int(a.at - b.at) })
	return r
}

// due is when the next reading is.
func (r *rounds) due() time.Duration { return r.round + r.phases[r.next].at }

// read takes the next reading.
func (r *rounds) read() *scheduler.Reading {
	at := r.due()
	e := r.phases[r.next].exporter
	if r.next++; r.next == len(r.phases) {
		r.next, r.round = 0, r.round+r.interval
	}
	return e.scrape(at)
}
