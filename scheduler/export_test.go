package scheduler

import "unsafe"

// GroupDeviation is the sum that a node's tasks of the demand's group have.
func (s *State) GroupDeviation(node string, d Demand) float64 {
	return s.nodes[node].deviation(group{nanocores(d.Requests.Cpu), int64(d.Requests.Memory)})
}

// Expects is what a task is expected to use, its mean and variance.
func (s *State) Expects(d Demand) (mean, variance float64) {
	e := s.predict.predict(kind{nanocores(d.Requests.Cpu), d.Name})
	return e.mean, e.variance
}

// Base is what max(2, nodes up) was at the last decision.
func (s *State) Base() float64 { return s.columns.base }

// Cost asks a scorer for the cost of one node.
func Cost(scorer Scorer, t Terms, group float64, f *Factors) float32 {
	one := oneNode{terms: t}
	return one.cost(scorer, float32(group), f)
}

// Tie is a node's place among nodes of equal cost.
func Tie(seed uint64, name string) uint64 { return tie(seed, hashName(name)) }

// Touched is how many bytes the last decision read of the columns, if the
// scorer reads so many terms: what is known of every block, and of the cells of
// those that could hold one of the best, the terms of the nodes that were priced,
// and the room of those that were filtered one by one.
func (s *State) Touched(terms int) int {
	const term, room = 4, 3 * 8
	c := &s.columns
	return len(c.blocks)*(int(unsafe.Sizeof(floor{}))+terms*term) +
		s.scratch.parted*blockCells*terms*term + s.scratch.priced*terms*term + s.scratch.filtered*room
}
