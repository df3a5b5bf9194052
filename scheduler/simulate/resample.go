package simulate

import (
	"math"
	"math/rand/v2"
	"slices"

	"cube/worker/task"
)

// mostScaled is by which factor a resampled schedule's requests are scaled at
// most, up or down.
const mostScaled = 1.5

// Resample returns the trace with schedules that nobody has seen, each drawn by
// the seed from one of the trace's: its moments of arrival and departure stay,
// and
//
//   - each arrival is of a task drawn from all, with replacement;
//   - the day begins at another hour of the record, for all tasks alike;
//   - the machines are of the trace's types in another mixture, with as much CPU
//     in all, to half a machine;
//   - all CPU requests are scaled by one factor, up to 1.5 up or down, while use
//     stays: what tasks ask for says another thing of what they use.
//
// It stands in for other months and machines, as far as one trace can. The trace
// itself is not changed.
func (t *Trace) Resample(seed uint64) *Trace {
	other := *t
	other.Schedules = nil
	for i := range t.Schedules {
		s := &t.Schedules[i]
		chance := rand.New(rand.NewPCG(seed, uint64(s.Seed)))
		other.Schedules = append(other.Schedules, t.resample(s, chance))
	}
	return &other
}

func (t *Trace) resample(s *Schedule, chance *rand.Rand) Schedule {
	shift, scale := chance.IntN(Slots), math.Pow(mostScaled, 2*chance.Float64()-1)
	drawn := Schedule{Seed: s.Seed, Machines: t.mixture(chance.Float64()), Arrivals: slices.Clone(s.Arrivals)}
	turned := make([]*Task, len(t.Tasks)) // so that a task drawn twice is kept once
	at := make([]int, len(t.Tasks))
	for i := range drawn.Arrivals {
		from := chance.IntN(len(t.Tasks))
		if turned[from] == nil {
			turned[from], at[from] = t.Tasks[from].turned(shift, scale), len(drawn.Tasks)
			drawn.Tasks = append(drawn.Tasks, *turned[from])
		}
		drawn.Arrivals[i].Task = at[from]
	}
	return drawn
}

// turned is the task with its day begun so many slots later, and its CPU request
// scaled.
func (t *Task) turned(shift int, scale float64) *Task {
	other := *t
	other.Cpu = int64(math.Round(float64(t.Cpu) * scale))
	other.CpuUse = append(slices.Clone(t.CpuUse[shift:]), t.CpuUse[:shift]...)
	if t.MemoryUse != nil {
		other.MemoryUse = append(append([]task.Bytes(nil), t.MemoryUse[shift:]...), t.MemoryUse[:shift]...)
	}
	return &other
}

// mixture is machines with as much CPU as the trace's, about such a share of it
// in the first type.
func (t *Trace) mixture(share float64) []Machine {
	total := 0.0
	for _, m := range t.Machines {
		total += float64(m.Cpu)
	}
	first, second := t.types()
	firsts := int(math.Round(share * total / float64(first.Cpu)))
	rest := total - float64(firsts)*float64(first.Cpu)
	machines := slices.Repeat([]Machine{first}, firsts)
	return append(machines, slices.Repeat([]Machine{second}, max(0, int(math.Round(rest/float64(second.Cpu)))))...)
}
