package scheduler

import "math"

// meter is what a worker's readings say of one task's use.
type meter struct {
	memory float64 // bytes in use; absent until measured

	mean   float64 // cores, since the task started; absent until measured
	last   float64 // cores, since the reading before
	square float64 // cores², mean square of last, older ones counting less
	weight float64 // of all that square is made of
	recent average // cores, over Parameters.RecentTau
	lately average // cores, over Parameters.LatelyTau
	look   look
	life   float64 // seconds from the start to the last reading

	cpu   float64 // seconds of CPU, at the last reading; absent before
	clock float64 // worker's clock, at the last reading; absent before
}

func newMeter() meter {
	return meter{memory: Absent(), mean: Absent(), cpu: Absent(), clock: Absent()}
}

// sameStart is how far apart, in seconds, two accounts of one start may be: the
// task's own and the metric's.
const sameStart = 0.1

// measure takes in what a reading at the worker's clock says of t. A start time
// that moved is a restart: the counter began anew, what was learned holds.
func (t *placed) measure(r *TaskReading, clock float64, p *Parameters) {
	m := &t.meter
	if Known(r.StartTime) && !(math.Abs(r.StartTime-t.start) < sameStart) {
		t.start = r.StartTime
		m.cpu, m.clock = Absent(), Absent()
	}
	if Known(r.MemoryBytes) {
		m.memory = r.MemoryBytes
	}
	life := clock - t.start
	if !Known(r.CpuSeconds) || !(life > 0) {
		return
	}
	since, used := clock-m.clock, r.CpuSeconds-m.cpu
	if !Known(m.clock) || used < 0 { // the first look at this run of the task
		since, used = life, r.CpuSeconds
		m.look.taken = false
	}
	if !(since > 0) {
		return
	}
	m.mean, m.last, m.life = r.CpuSeconds/life, used/since, life
	left := decay(since, p.VarianceTau)
	kept, added := m.weight*left, 1-left
	m.weight = kept + added
	m.square += (m.last*m.last - m.square) * added / m.weight
	m.recent.add(m.last, since, p.RecentTau)
	m.lately.add(m.last, since, p.LatelyTau)
	m.cpu, m.clock = r.CpuSeconds, clock
}

// average is of a use, spans long ago counting exponentially less.
type average struct{ mean, weight float64 }

// add takes in what was used over the last so many seconds.
func (a *average) add(cores, seconds, tau float64) {
	kept := decay(seconds, tau)
	a.weight = a.weight*kept + 1 - kept
	a.mean += (cores - a.mean) * (1 - kept) / a.weight
}

// used is how many cores the task used, by its readings or else by its kind's.
func (t *placed) used() float64 {
	if !Known(t.meter.mean) {
		return t.expects.mean
	}
	return (t.meter.last + t.meter.lately.mean) / 2
}

// momentsTau is over how many seconds a node's mean and deviation look back:
// the 15 minutes that load-watcher, Trimaran's source, averages over.
const momentsTau = 15 * 60

// moments are the mean and the variance of a figure, older values counting
// exponentially less.
type moments struct {
	mean, variance float64
	weight         float64 // of all values so far, decayed
}

// add takes in a value that came since after the one before.
func (m *moments) add(v float64, since Instant, tau float64) {
	kept := m.weight * decay(since.Seconds(), tau)
	m.weight = kept + 1
	step := v - m.mean
	m.mean += step / m.weight
	m.variance = kept / m.weight * (m.variance + step*step/m.weight)
}

func (m *moments) deviation() float64 { return math.Sqrt(m.variance) }
