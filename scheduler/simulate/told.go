package simulate

import "time"

// What a scheduler gains by being told one thing more than the readings say: in
// this order, each what those before it are told too, and all of them less than
// [Oracle], which knows the departures. None can be had; the steps between them
// give the distance from a policy to the oracle its names.
const (
	// ToldSoon is told the mean of each running task over the next two hours.
	ToldSoon = "told-next-2h"
	// ToldRest is told the mean of each running task over the rest of its life.
	ToldRest = "told-rest"
	// ToldRunning is told each running task's use from slot to slot.
	ToldRunning = "told-running"
	// ToldUse is told that of a task when it comes.
	ToldUse = "told-use"
)

// Told are the names of those that are told something, the least first.
func Told() []string { return []string{ToldSoon, ToldRest, ToldRunning, ToldUse} }

// soon is how far ahead ToldSoon is told.
const soon = 2 * time.Hour

// told places where Σ utilisation⁸ rises least by what it is told. What a new
// task will use is taken to be what tasks that ask for the same use on average,
// but for ToldUse.
type told struct {
	blind
	world *world
	what  string
	means map[int64]float64 // by request: thousandths of a core
	// upTo is, of each task and slot, the sum of its use in the slots before.
	upTo map[*Task][]float64
	load []float64 // of one machine from slot to slot, as far as it is told
	// course is what the tasks of each machine will use, slot by slot, if none
	// departs.
	course [][]int64
	on     []int // machine, by arrival
}

func newTold(w *world, what string) *told {
	t := &told{world: w, what: what, means: make(map[int64]float64), upTo: make(map[*Task][]float64), on: make([]int, len(w.schedule.Arrivals))}
	for range w.machines {
		t.course = append(t.course, make([]int64, Slots))
	}
	tasks := make(map[int64]float64)
	for i := range w.tasks {
		one := &w.tasks[i]
		sums := make([]float64, Slots+1)
		for s, use := range one.CpuUse {
			sums[s+1] = sums[s] + float64(use)
		}
		t.upTo[one] = sums
		t.means[one.Cpu] += sums[Slots] / Slots
		tasks[one.Cpu]++
	}
	for cpu := range t.means {
		t.means[cpu] /= tasks[cpu]
	}
	return t
}

func (t *told) place(now time.Duration, arrival int) int {
	asks := t.world.taskOf(arrival)
	best, least := -1, 0.0
	for i, m := range t.world.machines {
		if !m.fits(asks) {
			continue
		}
		if rise := t.rise(i, asks, now); best < 0 || rise < least {
			best, least = i, rise
		}
	}
	if best >= 0 {
		t.follow(best, arrival, now, 1)
	}
	return best
}

// follow adds what a task will use from now on to a machine's course, or takes
// it away.
func (t *told) follow(machine, arrival int, now time.Duration, sign int64) {
	t.on[arrival] = machine
	for s := slotOf(now); s < Slots; s++ {
		t.course[machine][s] += sign * int64(t.world.taskOf(arrival).CpuUse[s])
	}
}

func (t *told) ended(now time.Duration, arrival int) { t.follow(t.on[arrival], arrival, now, -1) }

// rise is by how much Σ utilisation⁸ rises with a task on a machine.
func (t *told) rise(machine int, asks *Task, now time.Duration) float64 {
	t.foresee(machine, now)
	rise, capacity := 0.0, float64(t.world.machines[machine].Cpu)
	for k, load := range t.load {
		use := t.means[asks.Cpu]
		if t.what == ToldUse {
			use = float64(asks.CpuUse[slotOf(now)+k])
		}
		rise += eighth((load+use)/capacity) - eighth(load/capacity)
	}
	return rise
}

// foresee writes what a machine's tasks will use: one mean, or slot by slot to
// the end of the day.
func (t *told) foresee(machine int, now time.Duration) {
	from := slotOf(now)
	if t.what == ToldRunning || t.what == ToldUse {
		t.load = t.load[:0]
		for _, use := range t.course[machine][from:] {
			t.load = append(t.load, float64(use))
		}
		return
	}
	t.load = append(t.load[:0], 0)
	for _, r := range t.world.machines[machine].runs {
		until := t.world.schedule.Arrivals[r.arrival].Depart
		if t.what == ToldSoon {
			until = min(now+soon, Day)
		}
		to := max(from+1, int((until+Slot-1)/Slot))
		sums := t.upTo[r.task]
		t.load[0] += (sums[to] - sums[from]) / float64(to-from)
	}
}
