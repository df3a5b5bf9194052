package scheduler

import "slices"

// record writes the decision down.
func (s *State) record(q *query) Outcome {
	whole := new(struct { // in one piece of memory
		common
		shown [Shown]candidate
	})
	s.common(q, &whole.common)
	o := Outcome{Task: q.demand.Task, common: &whole.common, shown: whole.shown[:q.best.n:q.best.n]}
	for i := range o.shown {
		o.shown[i] = s.candidate(q, &q.best.list[i])
	}
	return o
}

// common writes what the decisions of a batch have in common.
func (s *State) common(q *query, into *common) {
	c := &s.columns
	*into = common{
		rules: c.rules, seed: q.seed, requests: q.demand.Requests, expects: q.expects,
		now: q.now, oldest: c.oldest, newest: c.newest,
		nodes: len(c.nodes), passed: q.passed, refused: s.refusalCounts(q),
	}
}

// candidate writes one node down.
func (s *State) candidate(q *query, r *ranked) candidate {
	c := &s.columns
	is := candidate{seen: s.seen(q, r.slot), key: r.key}
	if c.traits.Grouped {
		is.group = c.nodes[r.slot].deviation(q.group)
	}
	return is
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
