package scheduler

import (
	"math"
	"math/bits"
)

// scan looks at all nodes, and keeps the best and the counts of the refused.
// Blocks that cannot hold one of the best are only counted.
func (s *State) scan(q *query, stale bool) {
	c := &s.columns
	q.oldest, q.newest = math.MaxInt64, math.MinInt64
	q.best.reset(Shown)
	if c.cfg.Policy.Sample > 0 {
		q.best.reset(c.cfg.Policy.Sample)
	}
	s.bound(q, stale)
	q.passes = resized(q.passes, len(c.blocks))
	for i := range c.blocks {
		s.count(q, i, stale)
	}
	if c.cfg.Policy.Sample > 0 {
		for i, passed := range q.passes {
			s.draw(q, i, passed)
		}
		s.priceDrawn(q)
		return
	}
	s.lead(q)
	for i, passed := range q.passes {
		if passed != 0 {
			s.offerCells(q, i, passed)
		}
	}
}

// count filters the nodes of a block, and notes who passed.
func (s *State) count(q *query, i int, stale bool) {
	c := &s.columns
	b := &c.blocks[i]
	if b.reread {
		c.ages(i)
	}
	q.oldest, q.newest = min(q.oldest, b.oldest), max(q.newest, b.newest)
	candidates := b.ready
	if stale {
		candidates = b.stale
	}
	q.passes[i] = s.pass(q, i, b, candidates)
	q.passed += bits.OnesCount64(q.passes[i])
}

// lead prices the cells with the least bounds: after them, few others can hold
// one of the best.
func (s *State) lead(q *query) {
	leads := [...]bounded{{bound: infinity}, {bound: infinity}, {bound: infinity}, {bound: infinity}}
	last := len(leads) - 1
	for cell, bound := range q.bounds {
		if !(bound < leads[last].bound) {
			continue
		}
		at := last
		for at > 0 && bound < leads[at-1].bound {
			leads[at] = leads[at-1]
			at--
		}
		leads[at] = bounded{bound, int32(cell)}
	}
	for _, l := range leads {
		if l.bound == infinity {
			break // there are no more cells
		}
		block, shift := int(l.cell)/blockCells, l.cell%blockCells*cellSize
		set := q.passes[block] >> shift & cellMask
		if set == 0 || l.bound > q.best.worst() {
			continue
		}
		s.price(q, &s.columns.blocks[block], int(l.cell)*cellSize, cellSize, set)
		q.passes[block] &^= cellMask << shift
	}
}

// offerCells prices the cells of a block that may hold one of the best, those
// in a row at once, and offers their nodes that passed.
func (s *State) offerCells(q *query, i int, passed uint64) {
	b := &s.columns.blocks[i]
	worst := q.best.worst()
	from := -1
	for k := range blockCells {
		if passed>>(k*cellSize)&cellMask != 0 && !(q.bounds[i*blockCells+k] > worst) {
			if from < 0 {
				from = k
			}
			continue
		}
		if from >= 0 {
			s.price(q, b, i*blockSize+from*cellSize, (k-from)*cellSize, passed>>(from*cellSize))
			worst, from = q.best.worst(), -1
		}
	}
	if from >= 0 {
		s.price(q, b, i*blockSize+from*cellSize, (blockCells-from)*cellSize, passed>>(from*cellSize))
	}
}

// cellMask has a bit for each slot of a cell.
const cellMask = 1<<cellSize - 1

// bound writes for each cell a key that no node of it that is ready is below.
// Bounds are of ready nodes, so that for stale ones there are none.
func (s *State) bound(q *query, stale bool) {
	c := &s.columns
	q.bounds = resized(q.bounds, len(c.blocks)*blockCells)
	if stale || !c.bounded || c.cfg.Policy.Sample > 0 || len(c.blocks) < 2 {
		for i := range q.bounds {
			q.bounds[i] = -infinity
		}
		return
	}
	for _, span := range c.spans {
		if span.mixed {
			s.boundMixed(q, span.from)
			continue
		}
		for from := span.from * blockCells; from < span.to*blockCells; from += blockSize {
			s.boundSpan(q, from, min(from+blockSize, span.to*blockCells), span.class)
		}
	}
}

// boundMixed writes the bounds of the cells of a block of several classes: a
// cell with more than one has the least of theirs.
func (s *State) boundMixed(q *query, block int) {
	var bounds [blockCells]float64
	for i := range bounds {
		bounds[i] = infinity
	}
	first := block * blockCells
	for _, r := range s.columns.blocks[block].runs {
		from, to := int(r.from)/cellSize, int(r.to-1)/cellSize+1
		s.boundSpan(q, from, to, r.class)
		for cell := from; cell < to; cell++ {
			bounds[cell-first] = min(bounds[cell-first], q.bounds[cell])
		}
	}
	copy(q.bounds[first:], bounds[:])
}

// rounding is more than sums and logarithms of scores can be off by.
const rounding = 1e-9

// boundSpan writes the bounds of up to blockSize cells of one class.
func (s *State) boundSpan(q *query, from, to int, class int32) {
	c := &s.columns
	ranged := c.classes[class].ranged()
	if ranged && !c.trended {
		for i := range q.bounds[from:to] {
			q.bounds[from+i] = -infinity
		}
		return
	}
	s.factors(q, class)
	q.columns.Group = none[:to-from]
	for k, scorer := range c.scorers {
		for t := range q.columns.Term {
			q.columns.Term[t] = c.least[k][t][from:to]
		}
		if bounder, is := scorer.Scorer.(Bounder); is {
			bounder.Bounds(&q.columns, &q.factors[k][class], q.costs[k][:to-from])
		} else {
			scorer.Costs(&q.columns, &q.factors[k][class], q.costs[k][:to-from])
		}
		if ranged {
			atMost(q.costs[k][:to-from])
		}
	}
	if len(c.terms) == 1 {
		for i, cost := range q.costs[0][:to-from] {
			q.bounds[from+i] = -infinity // where the cost is no number
			if cost == cost {
				q.bounds[from+i] = float64(cost)
			}
		}
		return
	}
	for i := range q.bounds[from:to] {
		q.bounds[from+i] = c.key(q, i) - rounding
	}
}

// costs reckons what so many nodes of one block cost: of those in q.rough, what
// they cost at least.
func (s *State) costs(q *query, b *block, start, many int) {
	c := &s.columns
	q.priced += many
	q.rough = 0
	groups := none[:many]
	if c.traits.Grouped {
		groups = q.groupsOf(c, start, many)
	}
	for _, r := range b.runs {
		from, to := max(int(r.from), start), min(int(r.to), start+many)
		if from >= to {
			continue
		}
		s.factors(q, r.class)
		q.columns.Group = groups[from-start : to-start]
		ranged := c.classes[r.class].ranged()
		if ranged {
			q.rough |= (1<<(to-from) - 1) << (from - start)
		}
		for k := range c.scorers {
			for t := range q.columns.Term {
				q.columns.Term[t] = c.terms[k][t][from:to]
			}
			out := q.costs[k][from-start : to-start]
			if ranged {
				c.roughly(k, q, r.class, out)
			} else {
				c.scorers[k].Costs(&q.columns, &q.factors[k][r.class], out)
			}
		}
	}
}

// roughly writes what the nodes in q.columns cost at least, by the factors that
// bound those of their class.
func (c *columns) roughly(k int, q *query, class int32, out []float32) {
	if !c.trended {
		for i := range out {
			out[i] = -inf
		}
		return
	}
	if bounder, is := c.scorers[k].Scorer.(Bounder); is {
		bounder.Bounds(&q.columns, &q.factors[k][class], out)
	} else {
		c.scorers[k].Costs(&q.columns, &q.factors[k][class], out)
	}
	atMost(out)
}

// groupsOf returns the part of the column of the group that the demand is of.
func (q *query) groupsOf(c *columns, start, many int) []float32 {
	if block := start / blockSize; q.page == nil || q.pageOf != block {
		q.page, q.pageOf = c.pages.of(q.group, block), block
	}
	start %= blockSize
	return q.page[start : start+many]
}

// price reckons what so many nodes of one block cost, and offers those that
// passed.
func (s *State) price(q *query, b *block, from, many int, passed uint64) {
	s.costs(q, b, from, many)
	c := &s.columns
	if len(c.terms) > 1 {
		for set := passed & (1<<many - 1); set != 0; set &= set - 1 {
			k := bits.TrailingZeros64(set)
			if key, is := s.keyed(q, from+k, k, q.best.worst()); is {
				s.offer(q, from+k, key)
			}
		}
		return
	}
	worst := float32(q.best.worst()) // costs are float32: nothing is lost
	for k, cost := range q.costs[0][:many] {
		if !(cost > worst) && passed>>k&1 == 1 {
			key := float64(cost)
			if q.rough>>k&1 == 1 {
				key = s.keyOf(q, int32(from+k))
			}
			s.offer(q, from+k, ranking(key))
			worst = float32(q.best.worst())
		}
	}
}

// keyed returns what the k-th node priced is ranked by, and whether that is no
// more than the worst.
func (s *State) keyed(q *query, slot, k int, worst float64) (key float64, is bool) {
	key = s.columns.key(q, k)
	if q.rough>>k&1 == 1 {
		if s.columns.trended && key-rounding > worst {
			return key, false
		}
		key = s.keyOf(q, int32(slot))
	}
	return key, key <= worst
}

func (s *State) offer(q *query, slot int, key float64) {
	c := &s.columns
	if key <= q.best.worst() {
		q.best.offer(ranked{key: key, tie: tie(q.seed, c.hash[slot]), slot: int32(slot)}, c.rank)
	}
}

// cost returns one scorer's cost of one node.
func (s *State) cost(q *query, scorer int, slot int32, group float64) float32 {
	c := &s.columns
	return q.one.cost(c.scorers[scorer].Scorer, c.termsOf(scorer, slot), float32(group), s.own(q, scorer, slot))
}

// keyOf returns what a single node is ranked by.
func (s *State) keyOf(q *query, slot int32) float64 {
	c := &s.columns
	group := 0.0
	if c.traits.Grouped {
		group = c.nodes[slot].deviation(q.group)
	}
	if len(c.terms) == 1 {
		return ranking(float64(s.cost(q, 0, slot, group)))
	}
	var of mean
	for i := range c.scorers {
		of.add(&c.scorers[i], s.cost(q, i, slot, group), c.base)
	}
	return of.key()
}

// oneNode is columns of a single node. It must not be copied once it was used.
type oneNode struct {
	terms   Terms
	group   [1]float32
	out     [1]float32
	columns Columns // of terms and group
}

// cost asks a scorer for the cost of a single node.
func (o *oneNode) cost(scorer Scorer, t Terms, group float32, f *Factors) float32 {
	if o.columns.Group == nil {
		for i := range o.columns.Term {
			o.columns.Term[i] = o.terms[i : i+1]
		}
		o.columns.Group = o.group[:]
	}
	o.terms, o.group[0] = t, group
	scorer.Costs(&o.columns, f, o.out[:])
	return o.out[0]
}

// key returns what the k-th node priced is ranked by: the cost of the one
// scorer there is, or 100 less the weighted mean of the scores.
func (c *columns) key(q *query, k int) float64 {
	if len(c.terms) == 1 {
		return ranking(float64(q.costs[0][k]))
	}
	var of mean
	for i := range c.scorers {
		of.add(&c.scorers[i], q.costs[i][k], c.base)
	}
	return of.key()
}

// mean is the weighted mean of several scorers' scores in the making.
type mean struct{ sum, weights float64 }

func (m *mean) add(w *WeightedScorer, cost float32, base float64) {
	m.sum += float64(w.Weight * w.Score(cost, base))
	m.weights += w.Weight
}

func (m *mean) key() float64 { return ranking(100 - m.sum/m.weights) }

// ranking makes a cost that is no number the worst of all.
func ranking(cost float64) float64 {
	if cost != cost {
		return infinity
	}
	return cost
}
