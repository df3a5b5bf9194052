package simulate

import (
	"math"
	"slices"
)

// Row is what one replay came to. Percentages are of node-slots, of the CPU
// asked for, and of a machine.
type Row struct {
	Trace          string  `json:"trace"`
	Policy         string  `json:"policy"`
	ScrapeInterval float64 `json:"scrape_interval"` // seconds
	Seed           int     `json:"seed"`
	// Over is the share of node-slots in which more CPU was asked for than
	// there is.
	Over float64 `json:"over_percent"`
	// Unserved is the share of the CPU asked for that was not there.
	Unserved float64 `json:"unserved_percent"`
	// P99 is the 99th percentile of the use of a node in a slot.
	P99 float64 `json:"p99_percent"`
	// CV is the standard deviation between nodes of their use, by its mean;
	// the mean over the slots.
	CV        float64 `json:"cv"`
	Rejected  float64 `json:"rejected"`
	NodesUsed float64 `json:"nodes_used"`
	// MemoryOver is the share of node-slots in which more memory was in use
	// than there is.
	MemoryOver float64 `json:"memory_over_percent"`
}

// tally measures a replay as it goes.
type tally struct {
	machines []*machine
	last     []float64 // core-seconds asked for, by machine, up to the last slot
	busy     []float64 // core-seconds served, likewise
	use      []float64 // share asked for, slot by slot, machine by machine
	counted  int       // of use: the first that counts
	asked    float64   // core-seconds, after the warm-up
	unserved float64
	full     int // node-slots over their memory
	rejected int
}

// close takes a slot in that has just ended.
func (t *tally) close(slot int) {
	if t.last == nil {
		t.last, t.busy = make([]float64, len(t.machines)), make([]float64, len(t.machines))
		t.use = make([]float64, 0, Slots*len(t.machines))
		t.counted = warmupSlots * len(t.machines)
	}
	for i, m := range t.machines {
		asked, busy := m.asked-t.last[i], m.busy-t.busy[i]
		t.last[i], t.busy[i] = m.asked, m.busy
		t.use = append(t.use, asked*milli/(Slot.Seconds()*float64(m.Cpu)))
		if slot >= warmupSlots {
			t.asked += asked
			t.unserved += asked - busy
			if m.highWater > m.Memory {
				t.full++
			}
		}
		m.highWater = m.memory
	}
}

// row sums up the day.
func (t *tally) row() Row {
	use := t.use[t.counted:]
	r := Row{Rejected: float64(t.rejected), CV: variation(use, len(t.machines))}
	over := 0
	for _, u := range use {
		if u > 1+1e-9 { // beyond what adding up seconds can be off by
			over++
		}
	}
	r.Over = 100 * float64(over) / float64(len(use))
	r.MemoryOver = 100 * float64(t.full) / float64(len(use))
	if t.asked > 0 {
		r.Unserved = 100 * t.unserved / t.asked
	}
	sorted := slices.Sorted(slices.Values(use))
	r.P99 = 100 * sorted[min(len(sorted)-1, int(math.Ceil(0.99*float64(len(sorted))))-1)]
	for _, m := range t.machines {
		if m.everUsed {
			r.NodesUsed++
		}
	}
	return r
}

// variation returns the mean over slots of deviation by mean between machines.
func variation(use []float64, machines int) float64 {
	sum, slots := 0.0, 0
	for slot := range slices.Chunk(use, machines) {
		if mean, deviation := meanDeviation(slot, 0); mean > 0 {
			sum += deviation / mean
			slots++
		}
	}
	if slots == 0 {
		return 0
	}
	return sum / float64(slots)
}

// meanDeviation returns the mean, and the standard deviation with the sum of
// squares divided by n − less.
func meanDeviation(values []float64, less int) (mean, deviation float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	if len(values) <= less {
		return mean, 0
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)-less))
}
