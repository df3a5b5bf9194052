package simulate

import (
	"math"
	"time"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// What a scheduler gains by being told one thing more than the readings say: in
// this order, each what those before it are told too, and all of them less than
// [Oracle], which knows the departures. None can be had; the steps between them
// give the distance from a policy to the oracle its names.
const (
	// ToldSoon is told each running task's use, slot by slot, over the next
	// two hours.
	ToldSoon = "told-next-2h"
	// ToldRest is told its mean and variance over the rest of the day, too.
	ToldRest = "told-rest"
	// ToldRunning is told its use slot by slot to the end of the day.
	ToldRunning = "told-running"
	// ToldUse is told that of a task when it comes.
	ToldUse = "told-use"
)

// Told are the names of those that are told something, the least first.
func Told() []string { return []string{ToldSoon, ToldRest, ToldRunning, ToldUse} }

// soon is how many slots ahead ToldSoon is told.
const soon = int(2 * time.Hour / Slot)

// told places as the policy measured does, where the overload to be expected
// rises least, by what it is told: summed over all slots to the end of the day,
// each with the chance that the new task is still there.
//
// A task is still there after k slots with a chance of e^(−h·k), h being the rate
// at which tasks of the schedule end; else another one of its kind (of the same
// request) has its place, of which the mean and the variance over all tasks is
// told. So is that of a new task, but to ToldUse. What a running task uses beyond
// what ToldSoon is told is what it used in the two hours, but for the policy's
// chance that it changes.
type told struct {
	blind
	world *world
	what  string
	kinds map[int64]spread // by request
	end   float64          // h: ends a slot
	stay  float64          // the chance not to change
	slack float64
	// ahead is what is expected of each machine; those that have changed are
	// reckoned again.
	ahead []outlook
	on    []int    // machine, by arrival
	of    []spread // of one task, slot by slot
	asks  []spread // of the task that comes
}

// spread is a mean and a variance, in thousandths of a core.
type spread struct{ mean, variance float64 }

// outlook is what a machine's tasks are expected to use from a slot on.
type outlook struct {
	from  int // slot; -1: not known
	slots []spread
	over  []float32 // expected overload
}

func newTold(w *world, what string) *told {
	t := &told{
		world: w, what: what, kinds: kindsOf(w.tasks), end: endsPerSlot(w.schedule),
		stay: 1 - scheduler.DefaultParameters().Changed, slack: policy.DefaultMeasured().Slack,
		ahead: make([]outlook, len(w.machines)), on: make([]int, len(w.schedule.Arrivals)),
	}
	for i := range t.ahead {
		t.ahead[i].from = -1
	}
	return t
}

// kindsOf returns mean and variance of what tasks use, by what they ask for.
func kindsOf(tasks []Task) map[int64]spread {
	kinds, values := make(map[int64]spread), make(map[int64]float64)
	for i := range tasks {
		k := kinds[tasks[i].Cpu]
		for _, use := range tasks[i].CpuUse {
			k.mean += float64(use)
			k.variance += float64(use) * float64(use)
		}
		kinds[tasks[i].Cpu] = k
		values[tasks[i].Cpu] += Slots
	}
	for cpu, k := range kinds {
		mean := k.mean / values[cpu]
		kinds[cpu] = spread{mean, max(0, k.variance/values[cpu]-mean*mean)}
	}
	return kinds
}

// endsPerSlot is how many tasks end in a slot, of each that runs. Those that run
// into the night have not ended.
func endsPerSlot(s *Schedule) float64 {
	ends, ran := 0.0, 0.0
	for _, a := range s.Arrivals {
		if a.Depart < Day {
			ends++
		}
		ran += float64(a.Depart-a.Arrive) / float64(Slot)
	}
	if ran == 0 {
		return 0
	}
	return ends / ran
}

func (t *told) place(now time.Duration, arrival int) int {
	asks, from := t.world.taskOf(arrival), slotOf(now)
	t.comes(asks, from)
	best, least := -1, 0.0
	for i, m := range t.world.machines {
		if !m.fits(asks) {
			continue
		}
		if rise := t.rise(i, from); best < 0 || rise < least {
			best, least = i, rise
		}
	}
	if best >= 0 {
		t.on[arrival], t.ahead[best].from = best, -1
	}
	return best
}

func (t *told) ended(_ time.Duration, arrival int) { t.ahead[t.on[arrival]].from = -1 }

// comes writes what the task that comes is expected to use.
func (t *told) comes(asks *Task, from int) {
	t.asks = t.asks[:0]
	for s := from; s < Slots; s++ {
		is := t.kinds[asks.Cpu]
		if t.what == ToldUse {
			is = spread{mean: float64(asks.CpuUse[s])}
		}
		t.asks = append(t.asks, is)
	}
}

// byLoad is what load costs beside overload, to choose where there is none.
const byLoad = 1e-6

// rise is by how much the overload of a machine rises with the task that comes.
func (t *told) rise(machine, from int) float64 {
	ahead, capacity := &t.ahead[machine], float64(t.world.machines[machine].Cpu)
	if ahead.from != from {
		t.look(machine, from)
	}
	rise := 0.0
	for k, there := range ahead.slots {
		with := spread{there.mean + t.asks[k].mean, there.variance + t.asks[k].variance}
		after := t.overload(with, capacity)
		rise += t.stays(k) * (float64(after-ahead.over[k]) + byLoad*with.mean/capacity)
	}
	return rise
}

func (t *told) stays(slots int) float64 { return math.Exp(-t.end * float64(slots)) }

func (t *told) overload(use spread, capacity float64) float32 {
	return policy.Overload(float32(use.mean/capacity), float32(use.variance/(capacity*capacity)+t.slack*t.slack))
}

// look reckons anew what a machine's tasks will use.
func (t *told) look(machine, from int) {
	m, ahead := t.world.machines[machine], &t.ahead[machine]
	ahead.from = from
	ahead.slots = append(ahead.slots[:0], make([]spread, Slots-from)...)
	for _, r := range m.runs {
		t.foresee(r.task, from)
		other := t.kinds[r.task.Cpu]
		for k, own := range t.of {
			is := mixed(own, other, t.stays(k))
			ahead.slots[k].mean += is.mean
			ahead.slots[k].variance += is.variance
		}
	}
	ahead.over = ahead.over[:0]
	for _, use := range ahead.slots {
		ahead.over = append(ahead.over, t.overload(use, float64(m.Cpu)))
	}
}

// mixed is what is one thing by a chance, and else the other.
func mixed(one, other spread, chance float64) spread {
	apart := one.mean - other.mean
	return spread{
		mean:     chance*one.mean + (1-chance)*other.mean,
		variance: chance*one.variance + (1-chance)*other.variance + chance*(1-chance)*apart*apart,
	}
}

// foresee writes what a running task will use from a slot on, by what is told.
func (t *told) foresee(one *Task, from int) {
	t.of = t.of[:0]
	told := one.CpuUse[from:]
	var rest spread
	switch t.what {
	case ToldSoon:
		told = told[:min(soon, len(told))]
		rest = mixed(spreadOf(told), t.kinds[one.Cpu], t.stay)
	case ToldRest:
		told = told[:min(soon, len(told))]
		rest = spreadOf(one.CpuUse[from+len(told):])
	}
	for _, use := range told {
		t.of = append(t.of, spread{mean: float64(use)})
	}
	for len(t.of) < Slots-from {
		t.of = append(t.of, rest)
	}
}

// spreadOf is the mean and the variance of some values; nothing of none.
func spreadOf(values []int32) spread {
	var s spread
	for _, v := range values {
		s.mean += float64(v) / float64(len(values))
	}
	for _, v := range values {
		s.variance += (float64(v) - s.mean) * (float64(v) - s.mean) / float64(len(values))
	}
	return s
}
