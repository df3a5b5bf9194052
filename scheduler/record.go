package scheduler

import "slices"

// record writes the decision down.
func (s *State) record(q *query) (d Decision) {
	s.frame(q, &d)
	d.Refused = s.refusalCounts(q)
	if q.best.n == 0 {
		return d
	}
	var components []Component
	d.Candidates, components = made(q.best.n, len(s.columns.scorers))
	for i := range d.Candidates {
		components = s.describe(q, &q.best.list[i], &d.Candidates[i], components)
	}
	d.Node = d.Candidates[0].Node
	return d
}

// made returns memory for n candidates and, to be taken from, for their
// components: mostly one piece of it.
func made(n, scorers int) ([]Candidate, []Component) {
	if n*scorers > Shown {
		return make([]Candidate, n), make([]Component, n*scorers)
	}
	both := new(struct {
		candidates [Shown]Candidate
		components [Shown]Component
	})
	return both.candidates[:n:n], both.components[:]
}

// recordShown is record when the candidates are written down already, and what
// is the same in all decisions of a batch.
func (s *State) recordShown(q *query, frame, d *Decision) {
	// Field by field: while the garbage collector marks, a copy of the whole
	// costs it a look at every word.
	d.Task, d.Policy, d.Seed = q.demand.Task, frame.Policy, frame.Seed
	d.Requests, d.CpuPredicted, d.CpuVariance = frame.Requests, frame.CpuPredicted, frame.CpuVariance
	d.Base, d.Nodes, d.Passed, d.Refused = frame.Base, frame.Nodes, q.passed, frame.Refused
	d.OldestReading, d.NewestReading = frame.OldestReading, frame.NewestReading
	d.Candidates = q.shown.give()
	d.Node = d.Candidates[0].Node
}

// frame writes a decision without its candidates.
func (s *State) frame(q *query, d *Decision) {
	c := &s.columns
	d.Task, d.Policy, d.Seed = q.demand.Task, s.cfg.Policy.Name, q.seed
	d.Requests, d.CpuPredicted, d.CpuVariance = q.demand.Requests, q.asked.CpuPredicted, q.asked.CpuVariance
	d.Nodes, d.Passed = len(c.nodes), q.passed
	if c.traits.Based {
		d.Base = c.base
	}
	if c.newest >= c.oldest {
		d.OldestReading = FigureOf(max(0, q.now-c.oldest).Seconds())
		d.NewestReading = FigureOf(max(0, q.now-c.newest).Seconds())
	}
}

// describe writes one node down: its figures, and what each scorer made of
// them. It takes the memory of the components from room, and returns the rest.
func (s *State) describe(q *query, r *ranked, into *Candidate, room []Component) (rest []Component) {
	c := &s.columns
	in := &into.Inputs
	from := &c.shown[r.slot]
	*in = from.inputs
	in.ReadingAge = FigureOf(max(0, q.now-from.readAt).Seconds())
	if c.traits.Grouped {
		in.CpuGroup = c.nodes[r.slot].deviation(q.group)
	}
	scorers := c.scorers
	into.Node, into.Components = from.name, room[:len(scorers):len(scorers)]
	for i := range scorers {
		w := &scorers[i]
		cost := float32(r.key) // a cost that is no number is ranked as infinite
		if len(scorers) > 1 || r.key == infinity {
			cost = s.cost(q, i, r.slot, in.CpuGroup)
		}
		part := &into.Components[i]
		part.Scorer, part.Score, part.Weight = w.Name(), w.Score(cost, c.base), w.Weight
	}
	into.Score = total(into.Components)
	return room[len(scorers):]
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
	kinds, shown := 0, 0
	for _, count := range q.refused.count {
		if count > 0 {
			kinds++
			shown += min(count, examplesShown)
		}
	}
	if kinds == 0 {
		return nil
	}
	list := make([]RefusalCount, 0, kinds)
	all := make([]Refusal, 0, shown)
	q.words, q.ends = q.words[:0], q.ends[:0]
	for why, count := range q.refused.count {
		if count == 0 {
			continue
		}
		start := len(all)
		for i := range min(count, examplesShown) {
			all = append(all, s.refusal(q, s.columns.nodes[q.refused.examples[why][i]], codes[why]))
			q.ends = append(q.ends, len(q.words))
		}
		list = append(list, RefusalCount{Code: codes[why], Count: count, Examples: all[start:len(all):len(all)]})
	}
	text, start := string(q.words), 0 // of all sentences
	for i, end := range q.ends {
		if end > start {
			all[i].Reason = text[start:end]
		}
		start = end
	}
	slices.SortStableFunc(list, func(a, b RefusalCount) int { return b.Count - a.Count })
	return list
}
