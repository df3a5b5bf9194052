package scheduler

import (
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// Outcome is what was decided on one demand: a record that takes little memory
// and little time to make, since most are stored and never looked at. What it
// points to is written once, and shared with other outcomes: any goroutine may
// read it. Decision writes it out.
type Outcome struct {
	Task uuid.UUID
	// Time is the manager's wall clock, for the caller to fill in.
	Time time.Time

	common *common
	shown  []candidate // the winner and the next four, best first
}

// Node is the winner; empty when no node passed the filters.
func (o Outcome) Node() string {
	if len(o.shown) == 0 {
		return ""
	}
	return o.shown[0].seen.facts.node
}

// Policy is the name of the policy that decided.
func (o Outcome) Policy() string { return o.common.rules.policy }

// common is what the outcomes of a batch have in common. Once one points to it,
// it is not written to.
type common struct {
	rules          *rules
	seed           uint64
	requests       task.Resources
	expects        estimate
	now            Instant
	oldest, newest Instant // readings; newest before oldest when there are none
	nodes, passed  int
	refused        []RefusalCount
}

// rules are a policy's scorers of one base. They are not written to.
type rules struct {
	policy  string
	scorers []WeightedScorer
	base    float64
	based   bool
}

// candidate is a node that passed, as the decision saw it.
type candidate struct {
	seen  *seen
	key   float64 // what it was ranked by
	group float64 // Σ of the deviations of its tasks that ask for the same
}

// Decision writes the outcome out: the same figures, whenever it is done.
func (o Outcome) Decision() Decision {
	var d Decision
	o.head(&d)
	if len(o.shown) == 0 {
		return d
	}
	each := len(o.common.rules.scorers)
	components := make([]Component, len(o.shown)*each)
	d.Candidates = make([]Candidate, len(o.shown))
	for i := range d.Candidates {
		d.Candidates[i].Components = components[i*each : (i+1)*each : (i+1)*each]
		o.common.describe(&o.shown[i], &d.Candidates[i])
	}
	return d
}

// MarshalBinary returns the compact form of the decision.
func (o Outcome) MarshalBinary() ([]byte, error) {
	var d Decision
	o.head(&d)
	e := newWriter()
	e.head(&d)
	o.candidates(&e)
	e.refused(&d)
	return e.data, e.err
}

// candidates writes them, in memory for no more than one and the one before.
func (o Outcome) candidates(e *coder) {
	var two struct { // in one piece
		candidates [2]Candidate
		components [2]Component
	}
	each, components := len(o.common.rules.scorers), two.components[:]
	if each > 1 {
		components = make([]Component, 2*each)
	}
	e.length(len(o.shown), leastCandidate)
	for i := range o.shown {
		at := i % 2
		one, before := &two.candidates[at], &two.candidates[1-at]
		one.Components = components[at*each : (at+1)*each]
		o.common.describe(&o.shown[i], one)
		e.candidate(one, before)
	}
}

// head writes out all but the candidates.
func (o Outcome) head(d *Decision) {
	c := o.common
	d.Task, d.Time, d.Policy, d.Seed = o.Task, o.Time, c.rules.policy, c.seed
	d.Requests, d.CpuPredicted, d.CpuVariance = c.requests, c.expects.mean, c.expects.variance
	d.Node, d.Nodes, d.Passed, d.Refused = o.Node(), c.nodes, c.passed, c.refused
	if c.rules.based {
		d.Base = c.rules.base
	}
	if c.newest >= c.oldest {
		d.OldestReading = FigureOf(max(0, c.now-c.oldest).Seconds())
		d.NewestReading = FigureOf(max(0, c.now-c.newest).Seconds())
	}
}

// describe writes one node out: its figures, and what each scorer made of them.
func (c *common) describe(from *candidate, into *Candidate) {
	var f Figures
	from.seen.figures(c.now, &f)
	f.CpuGroup = from.group
	f.write(&into.Inputs)
	into.Node = from.seen.facts.node
	scorers := c.rules.scorers
	for i := range scorers {
		w := &scorers[i]
		cost := float32(from.key) // a cost that is no number is ranked as infinite
		if len(scorers) > 1 || from.key == infinity {
			asked := askedOf(c.requests, c.expects)
			cost = costOf(w.Scorer, &into.Inputs, &asked, c.rules.base)
		}
		into.Components[i] = Component{Scorer: w.Name(), Score: w.Score(cost, c.rules.base), Weight: w.Weight}
	}
	into.Score = total(into.Components)
}

// total is the weighted mean of the components' scores.
func total(components []Component) float64 {
	sum, weights := 0.0, 0.0
	for _, c := range components {
		sum += float64(c.Weight * c.Score)
		weights += c.Weight
	}
	return sum / weights
}
