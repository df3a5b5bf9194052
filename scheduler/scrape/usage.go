package scrape

import (
	"slices"
	"time"

	"cube/scheduler"
)

const (
	// minWindow is the shortest time that CPU usage is computed over; under
	// it the kernel's ticks of 10 ms make the ratio coarse.
	minWindow = time.Second
	// maxWindow is the longest: after a longer gap (a suspended machine, a
	// node that was away) the mean says nothing of the present.
	maxWindow = time.Minute
)

// cpuSample is what one page says of CPU time, which counts up.
type cpuSample struct {
	at   scheduler.Instant
	rows []float64 // seconds by the source's input, summed over the CPUs
	busy []bool    // whether that input counts as busy
	cpus []int     // how many CPUs that input had
	// set tells one set of CPUs from another: the sum of hashes of their keys.
	set uint64
}

func (s *cpuSample) begin(inputs int) {
	if cap(s.rows) < inputs {
		s.rows, s.busy, s.cpus = make([]float64, inputs), make([]bool, inputs), make([]int, inputs)
	}
	s.rows, s.busy, s.cpus = s.rows[:inputs], s.busy[:inputs], s.cpus[:inputs]
	clear(s.rows)
	clear(s.busy)
	clear(s.cpus)
	s.set = 0
}

// add counts one series: of the input in row, for the CPU named by key.
func (s *cpuSample) add(row int, figure Figure, key []byte, seconds float64) {
	s.rows[row] += seconds
	s.busy[row] = figure == CpuBusySeconds
	s.cpus[row]++
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	hash := uint64(offset) ^ uint64(row)
	for _, c := range key {
		hash = (hash ^ uint64(c)) * prime
	}
	s.set += hash
}

// cores returns how many CPUs the sample is of; absent when it is of none.
func (s *cpuSample) cores() float64 {
	if cores := slices.Max(s.cpus); cores > 0 {
		return float64(cores)
	}
	return scheduler.Absent()
}

func (s *cpuSample) copyFrom(o *cpuSample) {
	rows, busy, cpus := append(s.rows[:0], o.rows...), append(s.busy[:0], o.busy...), append(s.cpus[:0], o.cpus...)
	*s = *o
	s.rows, s.busy, s.cpus = rows, busy, cpus
}

// usage remembers two samples of a node, so that a scrape out of turn still
// finds one that is at least minWindow old.
type usage struct {
	newer, older cpuSample
	kept         int // how many of them are there
}

// observe takes the next sample and returns the busy share since a remembered
// one, with the seconds between them; absent where there is none to compare
// with. Deltas are clamped at zero input by input, since iowait and idle are
// known to step back; counters that went back in all, another set of CPUs and a
// gap over maxWindow start afresh.
func (u *usage) observe(now *cpuSample) (ratio, window float64) {
	if u.kept > 0 && !now.follows(&u.newer) {
		u.kept = 0
	}
	ratio, window = scheduler.Absent(), scheduler.Absent()
	base := &u.newer
	if u.kept > 0 && now.since(base) < minWindow {
		if u.kept < 2 {
			return ratio, window
		}
		base = &u.older
	}
	if u.kept > 0 {
		ratio, window = now.busyShare(base), now.since(base).Seconds()
		if !scheduler.Known(ratio) {
			window = scheduler.Absent()
		}
	}
	if base == &u.newer { // far enough from the last one to be remembered
		u.newer, u.older = u.older, u.newer
		u.newer.copyFrom(now)
		u.kept = min(u.kept+1, 2)
	}
	return ratio, window
}

func (s *cpuSample) since(o *cpuSample) time.Duration { return time.Duration(s.at - o.at) }

// follows reports whether s can be compared with the earlier o.
func (s *cpuSample) follows(o *cpuSample) bool {
	if s.set != o.set || len(s.rows) != len(o.rows) || s.since(o) > maxWindow {
		return false
	}
	var before, after float64
	for i := range s.rows {
		before, after = before+o.rows[i], after+s.rows[i]
	}
	return after >= before
}

func (s *cpuSample) busyShare(o *cpuSample) float64 {
	var busy, all float64
	for i := range s.rows {
		delta := max(0, s.rows[i]-o.rows[i])
		all += delta
		if s.busy[i] {
			busy += delta
		}
	}
	if all == 0 {
		return scheduler.Absent()
	}
	return busy / all
}
