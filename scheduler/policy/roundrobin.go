package policy

import "cube/scheduler"

// RoundRobin takes nodes in turn: the one that was given a task the longest
// ago goes first, and before it those that were given none. With turn the
// number of the node's last placement, 0 if there is none,
//
//	score = 100/(1 + turn)
//
// Turns above 2²⁴ are told apart to seven digits only.
type RoundRobin struct{}

// Name is "roundrobin".
func (RoundRobin) Name() string { return "roundrobin" }

// Traits: the cost rises with the turn.
func (RoundRobin) Traits() scheduler.Traits {
	return scheduler.Traits{Terms: 1, Monotone: true, Capacity: scheduler.Falls}
}

// Terms are the turn.
func (RoundRobin) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	into[0] = float32(n.Turn)
}

// Factors are none: turns do not depend on the demand.
func (RoundRobin) Factors(*scheduler.Asked, scheduler.Capacity, float64) scheduler.Factors {
	return scheduler.Factors{}
}

// Costs are the turns.
func (RoundRobin) Costs(t *scheduler.Columns, _ *scheduler.Factors, out []float32) {
	copy(out, t.Of(0, len(out)))
}

// Score is as the type says.
func (RoundRobin) Score(cost float32, _ float64) float64 { return percent(100 / (1 + float64(cost))) }
