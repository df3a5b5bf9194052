package scheduler

import (
	"math/bits"
	"slices"
)

// DecideBatch decides for one demand after the other and places each at once
// on its winner, as [State.Place] at now would: the result is that of Decide
// and Place in turn with the same seed. Demands in a row that ask for the same
// are decided in one pass over the nodes. Whoever cannot keep a decision takes
// its placement back with [State.Remove]. The outcomes share memory: to keep one
// for long, keep its [Outcome.Decision].
func (s *State) DecideBatch(now Instant, demands []Demand, seed uint64) []Outcome {
	made := make([]Outcome, len(demands))
	for left := made; len(demands) > 0; {
		alike := 1
		for alike < len(demands) && demands[0].like(&demands[alike]) {
			alike++
		}
		decided := 0
		if alike > 1 && s.cfg.Policy.Sample == 0 {
			decided = s.decideAlike(now, demands[:alike], seed, left)
		}
		if decided == 0 { // alone, or no fresh node fits
			left[0] = s.decideAndPlace(now, &demands[0], seed)
			decided = 1
			for left[0].Node() == "" && decided < alike { // nor does the next fit
				left[decided] = left[0]
				left[decided].Task = demands[decided].Task
				decided++
			}
		}
		demands, left = demands[decided:], left[decided:]
	}
	return made
}

func (s *State) decideAndPlace(now Instant, d *Demand, seed uint64) Outcome {
	made := s.Decide(now, *d, seed)
	if n := s.nodes[made.Node()]; n != nil {
		s.place(n, d, now, Absent(), s.scratch.expects)
		s.columns.touch(n)
	}
	return made
}

// like reports whether two demands differ in the task alone. Those that ask
// for host ports or were refused somewhere are unlike all others.
func (d *Demand) like(o *Demand) bool {
	return d.Name == o.Name && d.Requests == o.Requests && slices.Equal(d.Constraints, o.Constraints) &&
		len(d.HostPorts)+len(o.HostPorts)+len(d.Excluded)+len(o.Excluded) == 0
}

// decideAlike decides for demands that are alike, as many as fresh nodes take,
// and returns how many. After each placement only the winner has changed, so
// that the best of the rest are still the best: a scan for as many as there are
// demands, then a heap.
func (s *State) decideAlike(now Instant, demands []Demand, seed uint64, made []Outcome) int {
	q := s.ask(now, &demands[0], seed)
	s.collect(q, len(demands)+Shown)
	var shared *common
	for i := range demands {
		if q.passed == 0 {
			return i
		}
		if shared == nil || shared.passed != q.passed { // a node was refused since
			shared = new(common)
			s.common(q, shared)
		}
		o := &made[i] // field by field: each pointer written has its cost
		o.Task, o.common, o.shown = demands[i].Task, shared, q.shown.give()
		s.placeBest(q, &demands[i])
	}
	return len(demands)
}

// collect scans for the best so many nodes: the first few in q.best, the rest
// in q.pool, a heap with the best on top. It takes blocks, and the cells of those
// taken, by their bounds, until none can hold one of so many.
func (s *State) collect(q *query, many int) {
	c := &s.columns
	s.bound(q, false)
	s.filter(q, false)
	q.order = q.order[:0]
	for i, passed := range q.passes {
		if passed != 0 {
			q.order = append(q.order, bounded{q.bounds[i], int32(i)})
		}
	}
	pool := worstFirst{list: q.pool[:0], many: many, rank: c.rank}
	for soonest(q.order); len(q.order) > 0 && !(q.order[0].bound > pool.worst()); {
		at := int(next(&q.order).at)
		if at < 0 {
			s.gather(q, ^at, &pool)
			continue
		}
		for k, bound := range s.cellBounds(q, at) {
			if q.passes[at]>>(k*cellSize)&cellMask != 0 {
				push(&q.order, bounded{bound, int32(^(at*blockCells + k))})
			}
		}
	}
	q.pool = pool.list
	bestFirst(q.pool, c.rank)
	q.best.reset(Shown)
	for q.best.n < Shown && len(q.pool) > 0 {
		q.best.list[q.best.n] = popBest(&q.pool, c.rank)
		q.best.n++
	}
	q.shown.reset()
	for k := range q.best.n {
		s.write(q, k)
	}
}

// gather offers the nodes of a cell that passed to the pool.
func (s *State) gather(q *query, cell int, pool *worstFirst) {
	c := &s.columns
	block := cell / blockCells
	from := cell * cellSize
	s.costs(q, from, cellSize)
	passed := q.passes[block] >> (cell % blockCells * cellSize) & cellMask
	for set := passed; set != 0; set &= set - 1 {
		k := bits.TrailingZeros64(set)
		slot := from + k
		key, is := s.keyed(q, slot, k, pool.worst())
		if !is {
			continue
		}
		pool.offer(ranked{key: key, tie: tie(q.seed, c.hash[slot]), slot: int32(slot)})
	}
}

// placeBest places a demand like the query's on the best node, and puts that node
// where it belongs now.
func (s *State) placeBest(q *query, d *Demand) {
	c := &s.columns
	winner := q.best.list[0]
	n := c.nodes[winner.slot]
	s.place(n, d, q.now, Absent(), q.expects)
	c.refresh(n.slot, q.now) // as the next settle would
	if s.cfg.SpreadLimit > 0 && s.names[d.Name][n] >= s.cfg.SpreadLimit {
		q.barred.bar(n, bySpread)
	}
	copy(q.best.list[:], q.best.list[1:q.best.n])
	q.shown.drop()
	q.best.n--
	if why := s.refuse(q, winner.slot); why != byStale { // it is ready: "stale" is no reason left
		q.passed--
		q.refused.add(why, winner.slot, c.rank)
	} else {
		winner.key = s.keyOf(q, winner.slot)
		s.putBack(q, winner)
	}
	for q.best.n < Shown && len(q.pool) > 0 {
		s.show(q, q.best.n, popBest(&q.pool, c.rank))
	}
}

// putBack puts a node among the best, of which one is missing, or into the pool
// in place of the best there.
func (s *State) putBack(q *query, r ranked) {
	rank := s.columns.rank
	if len(q.pool) > 0 && !r.before(&q.pool[0], rank) {
		s.show(q, q.best.n, swapBest(q.pool, r, rank))
		return
	}
	at := q.best.n
	for at > 0 && r.before(&q.best.list[at-1], rank) {
		at--
	}
	s.show(q, at, r)
}

// show makes r the k-th of the best.
func (s *State) show(q *query, k int, r ranked) {
	copy(q.best.list[k+1:], q.best.list[k:q.best.n])
	q.best.n++
	q.best.list[k] = r
	s.write(q, k)
}

// write writes the k-th of the best down, which the row does not have yet.
func (s *State) write(q *query, k int) {
	q.shown.insert(k, s.candidate(q, &q.best.list[k]))
}
