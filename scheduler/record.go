package scheduler

import "slices"

// record writes the decision down.
func (s *State) record(q *query) Decision {
	c := &s.columns
	room := make(optionals, 0, q.best.n*optionalInputs+2)
	d := Decision{
		Task: q.demand.Task, Policy: s.cfg.Policy.Name, Seed: q.seed,
		Requests: q.demand.Requests, CpuPredicted: q.asked.CpuPredicted, CpuVariance: q.asked.CpuVariance,
		Nodes: len(c.nodes), Passed: q.passed,
		Refused: s.refusalCounts(q),
	}
	if c.traits.Based {
		d.Base = c.base
	}
	if q.best.n > 0 {
		d.Node = c.nodes[q.best.list[0].slot].Name
		d.Candidates = s.candidates(q, &room)
	}
	if q.newest >= q.oldest {
		d.OldestReading = room.value(max(0, q.now-q.oldest).Seconds())
		d.NewestReading = room.value(max(0, q.now-q.newest).Seconds())
	}
	return d
}

// candidates writes down the best nodes: their figures, and what each scorer
// made of them.
func (s *State) candidates(q *query, room *optionals) []Candidate {
	c := &s.columns
	list := make([]Candidate, 0, q.best.n)
	components := make([]Component, 0, q.best.n*len(c.terms))
	for _, r := range q.best.list[:q.best.n] {
		n := c.nodes[r.slot]
		c.figures = n.figures(q.now, c.cfg)
		if c.traits.Grouped {
			c.figures.CpuGroup = n.deviation(q.group)
		}
		s.factors(q, c.class[r.slot])
		start := len(components)
		for i, w := range c.cfg.Policy.Scorers {
			cost := s.cost(q, i, c.termsOf(i, r.slot), c.figures.CpuGroup, c.class[r.slot])
			components = append(components, Component{Scorer: w.Name(), Score: w.Score(cost, c.base), Weight: w.Weight})
		}
		mine := components[start:len(components):len(components)]
		list = append(list, Candidate{Node: n.Name, Score: total(mine), Components: mine, Inputs: c.figures.inputs(room)})
	}
	return list
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

// refusalCounts writes down how many nodes were refused for what, most first.
func (s *State) refusalCounts(q *query) []RefusalCount {
	kinds := 0
	for _, count := range q.refused.count {
		if count > 0 {
			kinds++
		}
	}
	if kinds == 0 {
		return nil
	}
	list := make([]RefusalCount, 0, kinds)
	for why, count := range q.refused.count {
		if count == 0 {
			continue
		}
		examples := make([]Refusal, min(count, examplesShown))
		for i := range examples {
			examples[i] = s.refusal(q, s.columns.nodes[q.refused.examples[why][i]], codes[why])
		}
		list = append(list, RefusalCount{Code: codes[why], Count: count, Examples: examples})
	}
	slices.SortStableFunc(list, func(a, b RefusalCount) int { return b.Count - a.Count })
	return list
}
