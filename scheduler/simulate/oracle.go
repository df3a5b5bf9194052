package simulate

import "time"

// oracle is told what each task will use and when it departs, and places where
// Σ utilisation⁸ over the task's life rises least.
type oracle struct {
	blind
	world  *world
	future [][]float64 // of what was placed so far: share asked for, by machine and slot
	power  [][]float64 // its 8th power
}

func newOracle(w *world) *oracle {
	o := &oracle{world: w}
	for range w.machines {
		o.future = append(o.future, make([]float64, Slots))
		o.power = append(o.power, make([]float64, Slots))
	}
	return o
}

func (o *oracle) place(now time.Duration, arrival int) int {
	a, t := o.world.schedule.Arrivals[arrival], o.world.taskOf(arrival)
	best, least := -1, 0.0
	for i, m := range o.world.machines {
		if !m.fits(t) {
			continue
		}
		rise := 0.0
		for s := slotOf(now); s < Slots && time.Duration(s)*Slot < a.Depart; s++ {
			with := o.future[i][s] + float64(t.CpuUse[s])*within(now, a.Depart, s)/float64(m.Cpu)
			rise += eighth(with) - o.power[i][s]
		}
		if best < 0 || rise < least {
			best, least = i, rise
		}
	}
	if best >= 0 {
		o.add(best, t, now, a.Depart)
	}
	return best
}

func (o *oracle) add(machine int, t *Task, from, to time.Duration) {
	capacity := float64(o.world.machines[machine].Cpu)
	for s := slotOf(from); s < Slots && time.Duration(s)*Slot < to; s++ {
		o.future[machine][s] += float64(t.CpuUse[s]) * within(from, to, s) / capacity
		o.power[machine][s] = eighth(o.future[machine][s])
	}
}

// within returns which share of a slot lies between two instants.
func within(from, to time.Duration, slot int) float64 {
	begin := time.Duration(slot) * Slot
	return float64(min(to, begin+Slot)-max(from, begin)) / float64(Slot)
}

func eighth(v float64) float64 {
	v *= v
	v *= v
	return v * v
}
