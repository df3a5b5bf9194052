package scheduler

import "slices"

// record writes the decision down.
func (s *State) record(q *query) Decision {
	d := s.frame(q)
	d.Refused = s.refusalCounts(q)
	if q.best.n == 0 {
		return d
	}
	room := make(optionals, 0, q.best.n*optionalInputs)
	components := make([]Component, 0, q.best.n*len(s.cfg.Policy.Scorers))
	d.Candidates = make([]Candidate, q.best.n)
	for i := range d.Candidates {
		d.Candidates[i] = s.describe(q, q.best.list[i].slot, &room, &components)
	}
	d.Node = d.Candidates[0].Node
	return d
}

// recordShown is record when the candidates and the refused are written down
// already.
func (s *State) recordShown(q *query, refused []RefusalCount) Decision {
	d := s.frame(q)
	d.Refused = refused
	d.Candidates = append(q.candidates.take(q.best.n)[:0], q.shown[:q.best.n]...)
	d.Node = d.Candidates[0].Node
	return d
}

// frame is a decision without its candidates.
func (s *State) frame(q *query) Decision {
	c := &s.columns
	d := Decision{
		Task: q.demand.Task, Policy: s.cfg.Policy.Name, Seed: q.seed,
		Requests: q.demand.Requests, CpuPredicted: q.asked.CpuPredicted, CpuVariance: q.asked.CpuVariance,
		Nodes: len(c.nodes), Passed: q.passed,
	}
	if c.traits.Based {
		d.Base = c.base
	}
	d.OldestReading, d.NewestReading = q.ages()
	return d
}

// ages returns how old the oldest and the newest reading are that were looked
// at, in seconds; nil where there was none. Decisions of a batch share them.
func (q *query) ages() (oldest, newest *float64) {
	if q.oldestAge == nil && q.newest >= q.oldest {
		ages := [2]float64{max(0, q.now-q.oldest).Seconds(), max(0, q.now-q.newest).Seconds()}
		q.oldestAge, q.newestAge = &ages[0], &ages[1]
	}
	return q.oldestAge, q.newestAge
}

// candidate writes down one node of a batch: its figures, and what each scorer
// made of them.
func (s *State) candidate(q *query, slot int32) Candidate {
	room := optionals(q.optionals.take(optionalInputs)[:0])
	components := q.components.take(len(s.cfg.Policy.Scorers))[:0]
	return s.describe(q, slot, &room, &components)
}

// describe is candidate in memory that is there already.
func (s *State) describe(q *query, slot int32, room *optionals, components *[]Component) Candidate {
	c := &s.columns
	n := c.nodes[slot]
	c.figures = n.figures(q.now, c.cfg)
	if c.traits.Grouped {
		c.figures.CpuGroup = n.deviation(q.group)
	}
	s.factors(q, c.class[slot])
	start := len(*components)
	for i, w := range c.cfg.Policy.Scorers {
		cost := s.cost(q, i, c.termsOf(i, slot), c.figures.CpuGroup, c.class[slot])
		*components = append(*components, Component{Scorer: w.Name(), Score: w.Score(cost, c.base), Weight: w.Weight})
	}
	mine := (*components)[start:len(*components):len(*components)]
	return Candidate{Node: n.Name, Score: total(mine), Components: mine, Inputs: c.figures.inputs(room)}
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
