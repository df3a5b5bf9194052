package scheduler

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Policy says which of the nodes that pass the filters is best.
type Policy struct {
	Name string
	// Scorers price the nodes. One alone ranks by its cost; several rank by
	// the mean of their scores, each with its weight.
	Scorers []WeightedScorer
	// Sample, if not 0, is how many of the nodes that pass are drawn (by the
	// seed, each with equal chance) before the scorers see them: 1 is a
	// random node, 2 the power of two choices. At most [Shown].
	Sample int
}

// WeightedScorer is a scorer and how much its score counts beside others.
type WeightedScorer struct {
	Scorer
	Weight float64
}

// Shown is how many candidates a Decision holds: the winner and the next four.
const Shown = 5

// Scorer prices nodes for one demand. What it needs of a node it derives once,
// when the node changes ([Scorer.Terms]); what it needs of the demand once a
// decision and capacity ([Scorer.Factors]); so that the pass over all nodes
// ([Scorer.Costs]) is a few multiplications a node over plain columns.
//
// All methods are pure functions of their arguments. Arithmetic on float32
// products needs explicit conversions (float32(a*b) + c), so that no machine
// fuses them and figures recomputed elsewhere are the same.
type Scorer interface {
	// Name is the scorer's name in decisions and in policies' specifications.
	Name() string
	// Traits say what the state may count on.
	Traits() Traits
	// Terms derives from a node's figures what Costs needs of it. It writes as
	// many as its Traits say, one by one: what is to be read one by one at once
	// is not to be written as a whole.
	Terms(n *Figures, base float64, into *Terms)
	// Factors derives from a demand what Costs needs of it, for nodes of one
	// capacity.
	Factors(d *Asked, c Capacity, base float64) Factors
	// Costs writes the cost of each node in out, as many as out is long; lower
	// is better.
	Costs(t *Columns, f *Factors, out []float32)
	// Score maps a cost to 0–100, higher is better: a decreasing function
	// that does not depend on which other nodes there are.
	Score(cost float32, base float64) float64
}

// Bounder is a scorer that is not monotone and yet can tell a bound.
type Bounder interface {
	// Bounds writes for each of the nodes what none costs less than that has
	// terms no less than these, whatever its group.
	Bounds(t *Columns, f *Factors, out []float32)
}

// Baser is a scorer that reckons faster once it knows the base: OfBase returns
// one that has ready what follows from it, and gives the same results.
type Baser interface {
	OfBase(base float64) Scorer
}

// Traits are what the state may count on of a scorer.
type Traits struct {
	// Terms is how many terms the scorer keeps of a node: the first ones of
	// [Terms]. The others are not kept.
	Terms int
	// Monotone: the cost never falls when a term rises. The cost of a block's
	// least terms is then a bound for the whole block.
	Monotone bool
	// Based: terms, factors or score depend on the base, max(2, nodes up).
	Based bool
	// Grouped: Costs reads Columns.Group.
	Grouped bool
	// Capacity is how the cost goes with the node's capacity, its terms kept.
	// Where it has no trend, each node is priced by itself when a fleet has
	// many capacities.
	Capacity Trend
}

// Trend is how one thing goes with another.
type Trend uint8

// The trends there are.
const (
	NoTrend Trend = iota
	Falls         // or stays as it is
	Rises         // or stays as it is
)

// Terms are what a scorer keeps of a node, as many as its [Traits] say.
type Terms [6]float32

// Factors are what a scorer makes of a demand.
type Factors [8]float32

// Columns are the terms of nodes, a slice a term. What is to be priced are some
// consecutive ones of one capacity, the first of which is From: so that the same
// columns serve for any of them.
type Columns struct {
	Term [][]float32
	From int
	// Group is, for each node from From on, Σ of the CPU deviations (cores) of
	// its tasks with the same requests as the demand.
	Group []float32
}

// Of returns a term of so many nodes from From on.
func (c *Columns) Of(term, many int) []float32 { return c.Term[term][c.From:][:many] }

// Asked is a demand as the scorers see it.
type Asked struct {
	Cpu          float64 // cores asked for
	CpuPredicted float64 // cores expected to be used
	CpuVariance  float64 // of that, in cores²
	Memory       float64 // bytes asked for
	Disk         float64 // bytes asked for
}

// Capacity is what a node has in all. A figure that is not known is 0.
type Capacity struct {
	CpuCores    float64
	CpuLimit    float64 // cores: overcommit × allocatable
	MemoryTotal float64 // bytes
	MemoryLimit float64 // bytes: allocatable
	DiskLimit   float64 // bytes: allocatable
}

// validate checks what NewState is given.
func (p *Policy) validate() error {
	if len(p.Scorers) == 0 {
		return errors.New("the policy has no scorer")
	}
	for _, w := range p.Scorers {
		if w.Scorer == nil {
			return fmt.Errorf("policy %q has an empty scorer", p.Name)
		}
		if kept := w.Traits().Terms; kept < 0 || kept > len(Terms{}) {
			return fmt.Errorf("policy %q: %s keeps %d terms of a node; want 0 to %d", p.Name, w.Name(), kept, len(Terms{}))
		}
		if !(w.Weight > 0) || math.IsInf(w.Weight, 0) {
			return fmt.Errorf("policy %q: the weight of %s is %v; want a number above 0", p.Name, w.Name(), w.Weight)
		}
	}
	if p.Sample < 0 || p.Sample > Shown {
		return fmt.Errorf("policy %q draws %d nodes; want 0 to %d", p.Name, p.Sample, Shown)
	}
	return nil
}

// bounded reports whether each scorer can bound the cost of a block of nodes.
func (p *Policy) bounded() bool {
	for _, w := range p.Scorers {
		if _, is := w.Scorer.(Bounder); !is && !w.Traits().Monotone {
			return false
		}
	}
	return true
}

// ofBase returns the scorers with what follows from the base ready.
func (p *Policy) ofBase(base float64) []WeightedScorer {
	scorers := slices.Clone(p.Scorers)
	for i := range scorers {
		if baser, is := scorers[i].Scorer.(Baser); is {
			scorers[i].Scorer = baser.OfBase(base)
		}
	}
	return scorers
}

// traits returns what holds of any of the scorers.
func (p *Policy) traits() Traits {
	var all Traits
	for _, w := range p.Scorers {
		t := w.Traits()
		all.Based = all.Based || t.Based
		all.Grouped = all.Grouped || t.Grouped
	}
	return all
}
