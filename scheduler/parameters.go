package scheduler

import (
	"fmt"
	"math"
)

// Parameters are the constants by which it is foreseen what tasks will use:
// times in seconds, tasks as numbers, the rest as shares. The manager goes by
// [DefaultParameters]; others serve to find out how much each of them matters.
type Parameters struct {
	// PriorTasks is how many measured tasks the prior of a kind weighs as much
	// as: of tasks that ask for the same, and of all tasks.
	PriorTasks float64
	// NamedTasks is that of tasks of one name. They are mostly copies of one
	// thing, but few: what a few have in common by chance makes them look surer
	// than they are.
	NamedTasks float64

	// RecentTau and LatelyTau are over how long a task's two averages look
	// back, older use counting exponentially less.
	RecentTau, LatelyTau float64
	// Horizon is over how long a time ahead use is foreseen.
	Horizon float64
	// BlendTasks is how many tasks' lessons the first weights of the averages
	// weigh as much as.
	BlendTasks float64
	// LeastKind is the part of what a task is expected to use that is never
	// taken from its own use.
	LeastKind float64

	// VarianceTau is over how long the square of a task's use is averaged: the
	// variance may change over a day.
	VarianceTau float64
	// VarianceSpan is after how long a task's own variance weighs as much as
	// its kind's.
	VarianceSpan float64
	// Changed is how likely a measured task is taken to change its ways before
	// it ends, and to use what one of its kind does: for the variance. What it
	// means for the mean is learned.
	Changed float64
	// Settling is after how long a task's own figures count as much as its
	// kind's: starting up is not what it will go on doing.
	Settling float64
}

// DefaultParameters are the values that the manager goes by. How they were
// chosen, and what halving and doubling each does, is in deploy/benchmarks.md.
func DefaultParameters() Parameters {
	return Parameters{
		PriorTasks: 5, NamedTasks: 5,
		RecentTau: 1800, LatelyTau: 2 * 3600, Horizon: 2 * 3600, BlendTasks: 30, LeastKind: 0.02,
		VarianceTau: 2 * 3600, VarianceSpan: 900, Changed: 0.3, Settling: 30,
	}
}

// check refuses what cannot be.
func (p *Parameters) check() error {
	for _, one := range [...]struct {
		what        string
		value       float64
		least, most float64
	}{
		{"prior tasks", p.PriorTasks, 0, 1e6},
		{"prior tasks of a name", p.NamedTasks, 0, 1e6},
		{"seconds of the shorter average", p.RecentTau, 1, 1e9},
		{"seconds of the longer average", p.LatelyTau, 1, 1e9},
		{"seconds ahead", p.Horizon, 1, 1e9},
		{"tasks of the first weights", p.BlendTasks, 0, 1e6},
		{"the least part of the kind", p.LeastKind, 0, 1},
		{"seconds of the variance", p.VarianceTau, 1, 1e9},
		{"seconds until a variance counts", p.VarianceSpan, 0, 1e9},
		{"the chance to change", p.Changed, 0, 1},
		{"seconds of settling", p.Settling, 0, 1e9},
	} {
		if !(one.value >= one.least && one.value <= one.most) || math.IsInf(one.value, 0) {
			return fmt.Errorf("%s: %v; want %v to %v", one.what, one.value, one.least, one.most)
		}
	}
	return nil
}
