package policy

import (
	"fmt"
	"math"

	"cube/scheduler"
)

// byLoad is what a share of the node in use costs beside overload: enough to
// choose among nodes that will not be overloaded, by load.
const byLoad = 1e-6

// Measured places where the overload to be expected rises least. Each task's
// use from here on has a mean and a variance: of measured tasks by their own
// readings, of others by what tasks of their kind used of their request (see
// package scheduler). With C the node's cores, L the sum of the means and
//
//	V = (1 − ρ)·Σv + ρ·Σ_groups (Σ√v)²    ρ = 0.1
//	σ² = V + (C/100)²
//	z = (C − L)/σ
//
// where a group is the tasks that ask for the same, the CPU use beyond C that
// is to be expected, in shares of C, is (the expectation of the excess of a
// normal variable)
//
//	O = (σ·φ(z) − (C − L)·(1 − Φ(z)))/C
//
// and the cost of a placement
//
//	cost = O(with the task) − O(without) + 10⁻⁶·L(with)/C
//
// which chooses by load among nodes that overload neither way.
//
// Memory is promised, and never beyond what there is; what overload is to CPU,
// to memory is a task that will find no room. M, the memory promised or in
// use, whichever is the larger share of the node's, moves as tasks of sizes s end and
// others come. If a share κ of them is replaced within the time ahead, at
// random, M has the variance (Campbell's theorem, of compound Poisson sums)
//
//	V_M = κ·Σs²    κ = 0.1
//
// and the rise of its expected excess, by the same formula O in shares of the
// node's memory, is added to the cost. Where memory is plenty it is 0.
//
// The score is 100·(1 − √cost), the root because most costs are small; a cost
// of 1 is a node's worth of overload.
//
// # Worked example
//
// A node of 8 cores has 20 tasks that each use 0.3 cores with a deviation of
// 0.4, no two of them alike: L = 6, V = 20·0.16 = 3.2, σ = √(3.2 + 0.0064) =
// 1.791, z = 2/1.791 = 1.117. O = (1.791·0.2138 − 2·0.1320)/8 = 0.0149. One more
// of them makes L = 6.3, V = 3.36, σ = 1.835, z = 0.9266 and O = 0.0219: the
// placement costs 0.0071. On a node with 12 such tasks, L = 3.6, it costs 0.0001.
//
// Of a node's 100 GiB 80 are promised to 10 tasks of 8 GiB each: V_M =
// 0.1·10·64 GiB² = 64 GiB², a deviation of 8.06 with the slack, z = 2.48 and O =
// 0.00017. With one more O = 0.00296: for its memory the placement costs 0.0028.
// With 5 such tasks there it costs nothing.
type Measured struct {
	// Correlation, ρ, is how much tasks that ask for the same rise and fall
	// together: often they are copies of one thing. 0 to 1.
	Correlation float64
	// Slack is the deviation, in shares of the node, of a node whose tasks are
	// all known exactly.
	Slack float64
	// Replaced, κ, is which share of a node's tasks is taken to be replaced by
	// others within the time that expectations are for, some two hours, and
	// lifetimes are of the order of a day.
	Replaced float64
}

// DefaultMeasured has the constants that the manager places by.
func DefaultMeasured() Measured {
	return Measured{Correlation: 0.1, Slack: 0.01, Replaced: 0.1}
}

// Check refuses constants that cannot be.
func (m Measured) Check() error {
	for _, one := range [...]struct {
		what  string
		value float64
	}{{"correlation", m.Correlation}, {"slack", m.Slack}, {"share replaced", m.Replaced}} {
		if !(one.value >= 0 && one.value <= 1) {
			return fmt.Errorf("the %s of measured is %v; want 0 to 1", one.what, one.value)
		}
	}
	return nil
}

// Name is "measured".
func (Measured) Name() string { return "measured" }

// Traits: groups count. The cost rises with the load, but a wide spread makes a
// full node's overload rise less than a narrow one does.
func (Measured) Traits() scheduler.Traits {
	return scheduler.Traits{Terms: 6, Grouped: true, Capacity: scheduler.Falls}
}

// Terms are load, variance and expected overload of the node as it is, in
// shares of its cores; and the same of its memory.
func (m Measured) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	load := float32(scheduler.Share(n.CpuMean, n.CpuCores))
	v := (1-m.Correlation)*n.CpuVariance + m.Correlation*n.CpuTogether
	variance := float32(scheduler.Share(v, n.CpuCores*n.CpuCores)) + float32(m.Slack*m.Slack)
	memory := float32(max(scheduler.Share(n.MemoryPromised, n.MemoryLimit), scheduler.Share(n.MemoryExpected, n.MemoryTotal)))
	turnover := float32(scheduler.Share(m.Replaced*n.MemorySquares, n.MemoryLimit*n.MemoryLimit)) + float32(m.Slack*m.Slack)
	into[0], into[1], into[2] = load, variance, Overload(load, variance)
	into[3], into[4], into[5] = memory, turnover, Overload(memory, turnover)
}

// Factors are the task's mean and variance in shares of the node, by how much
// the variance rises more for each core of its group's deviation, and its memory
// and what that adds to the variance of the node's.
func (m Measured) Factors(d *scheduler.Asked, c scheduler.Capacity, _ float64) scheduler.Factors {
	square := c.CpuCores * c.CpuCores
	return scheduler.Factors{
		float32(asked(d.CpuPredicted, c.CpuCores)),
		float32(asked(d.CpuVariance, square)),
		float32(asked(2*m.Correlation*math.Sqrt(d.CpuVariance), square)),
		float32(asked(d.Memory, c.MemoryLimit)),
		float32(asked(m.Replaced*d.Memory*d.Memory, c.MemoryLimit*c.MemoryLimit)),
	}
}

// Costs are as the type says.
func (Measured) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	load, variance, before := t.Of(0, len(out)), t.Of(1, len(out)), t.Of(2, len(out))
	memory, turnover, short := t.Of(3, len(out)), t.Of(4, len(out)), t.Of(5, len(out))
	group := t.Group[:len(out)]
	for i := range out {
		with := load[i] + f[0]
		wider := variance[i] + f[1] + float32(f[2]*group[i])
		out[i] = max(0, Overload(with, wider)-before[i]) + float32(byLoad*with)
		if shortage := Overload(memory[i]+f[3], turnover[i]+f[4]); shortage > short[i] {
			out[i] += shortage - short[i]
		}
	}
}

// Bounds: with V kept as it is, the overload rises the more the higher L and
// the wider V, as long as L stays below C; and V itself can only rise, as can
// the shortage of memory. The millionth taken off is for the rounding.
func (Measured) Bounds(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	load, variance := t.Of(0, len(out)), t.Of(1, len(out))
	for i := range out {
		with := load[i] + f[0]
		out[i] = float32(byLoad * with)
		if with < 1 {
			after := Overload(with, variance[i])
			out[i] += max(0, after-Overload(load[i], variance[i])-float32(1e-6*after))
		}
		out[i] -= float32(1e-6 * out[i])
	}
}

// Score is as the type says.
func (Measured) Score(cost float32, _ float64) float64 {
	return percent(100 * (1 - math.Sqrt(float64(cost))))
}
