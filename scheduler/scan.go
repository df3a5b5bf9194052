package scheduler

import (
	"math/bits"
)

// scan looks at all nodes, and keeps the best and the counts of the refused.
// Blocks that cannot hold one of the best are only counted.
func (s *State) scan(q *query, stale bool) {
	c := &s.columns
	q.best.reset(Shown)
	if c.cfg.Policy.Sample > 0 {
		q.best.reset(c.cfg.Policy.Sample)
	}
	s.bound(q, stale)
	s.filter(q, stale)
	if c.cfg.Policy.Sample > 0 {
		for i, passed := range q.passes {
			s.draw(q, i, passed)
		}
		s.priceDrawn(q)
		return
	}
	s.lead(q)
	worst := q.best.worst()
	for i, bound := range q.bounds {
		if !(bound > worst) && q.passes[i] != 0 {
			s.offerCells(q, i)
			worst = q.best.worst()
		}
	}
}

// leads is how many blocks are priced before the others.
const leads = 4

// lead prices the blocks with the least bounds: after them, few others can hold
// one of the best.
func (s *State) lead(q *query) {
	var first [leads]bounded
	for i := range first {
		first[i].bound = infinity
	}
	for i, bound := range q.bounds {
		if !(bound < first[leads-1].bound) || q.passes[i] == 0 {
			continue
		}
		at := leads - 1
		for at > 0 && bound < first[at-1].bound {
			first[at] = first[at-1]
			at--
		}
		first[at] = bounded{bound, int32(i)}
	}
	for _, f := range first {
		if f.bound == infinity {
			break // there are no more
		}
		if !(f.bound > q.best.worst()) {
			s.offerCells(q, int(f.at))
		}
		q.passes[f.at] = 0
	}
}

// offerCells prices the cells of a block that may hold one of the best, those
// in a row at once, and offers their nodes that passed.
func (s *State) offerCells(q *query, i int) {
	passed := q.passes[i]
	bounds := s.cellBounds(q, i)
	worst := q.best.worst()
	from := -1
	q.vain++
	for k, bound := range bounds {
		if bound > worst {
			q.vain = 0
		} else if passed>>(k*cellSize)&cellMask != 0 {
			if from < 0 {
				from = k
			}
			continue
		}
		if from >= 0 {
			s.price(q, i*blockSize+from*cellSize, (k-from)*cellSize, passed>>(from*cellSize))
			worst, from = q.best.worst(), -1
		}
	}
	if from >= 0 {
		s.price(q, i*blockSize+from*cellSize, (blockCells-from)*cellSize, passed>>(from*cellSize))
	}
}

// cellMask has a bit for each slot of a cell.
const cellMask = 1<<cellSize - 1

// bound writes for each block a key that no node of it that is ready is below.
// Bounds are of ready nodes, so that for stale ones there are none.
func (s *State) bound(q *query, stale bool) {
	c := &s.columns
	q.bounds = sized(q.bounds, len(c.blocks))
	q.free = stale || !c.bounded || c.cfg.Policy.Sample > 0
	if q.free || len(c.blocks) < 2 {
		for i := range q.bounds {
			q.bounds[i] = -infinity
		}
		return
	}
	for _, span := range c.spans {
		if span.mixed {
			q.bounds[span.from] = infinity
			for _, r := range c.blocks[span.from].runs {
				var bound [1]float64
				s.boundSpan(q, c.lowest, span.from, r.class, bound[:])
				q.bounds[span.from] = min(q.bounds[span.from], bound[0])
			}
			continue
		}
		for from := span.from; from < span.to; from += blockSize {
			s.boundSpan(q, c.lowest, from, span.class, q.bounds[from:min(from+blockSize, span.to)])
		}
	}
}

// vainEnough is after how many blocks in a row whose cells' bounds held none
// back no more are made: a fleet can be all alike.
const vainEnough = 16

// cellBounds returns for each cell of a block what bound does for the block. A
// cell of several classes has the least of theirs.
func (s *State) cellBounds(q *query, i int) (bounds [blockCells]float64) {
	if q.free || q.vain >= vainEnough {
		for k := range bounds {
			bounds[k] = -infinity
		}
		return bounds
	}
	q.parted++
	c := &s.columns
	runs, first := c.blocks[i].runs, i*blockCells
	if len(runs) == 1 {
		s.boundSpan(q, c.least, first, runs[0].class, bounds[:])
		return bounds
	}
	for k := range bounds {
		bounds[k] = infinity
	}
	for _, r := range runs {
		from, to := int(r.from)/cellSize, int(r.to-1)/cellSize+1
		var own [blockCells]float64
		s.boundSpan(q, c.least, from, r.class, own[:to-from])
		for cell := from; cell < to; cell++ {
			bounds[cell-first] = min(bounds[cell-first], own[cell-from])
		}
	}
	return bounds
}

// rounding is more than sums and logarithms of scores can be off by.
const rounding = 1e-9

// boundSpan writes the bounds of up to blockSize cells, or blocks, of one class
// from one on, of which these are the least terms.
func (s *State) boundSpan(q *query, least []Columns, from int, class int32, bounds []float64) {
	c := &s.columns
	ranged := c.classes[class].ranged
	if ranged && !c.trended {
		for i := range bounds {
			bounds[i] = -infinity
		}
		return
	}
	s.factors(q, class)
	many := len(bounds)
	for k := range c.scorers {
		least[k].From = from
		out := q.costs[k][:many]
		c.bounds(k, &least[k], &q.factors[k][class], out)
		if ranged {
			atMost(out)
		}
	}
	if len(c.terms) > 1 {
		for i := range bounds {
			bounds[i] = c.key(q, i) - rounding
		}
		return
	}
	for i, cost := range q.costs[0][:many] {
		bound := float64(cost)
		if bound != bound {
			bound = -infinity
		}
		bounds[i] = bound
	}
}

// costs reckons what so many nodes of one block cost: of those in q.rough, what
// they cost at least.
func (s *State) costs(q *query, start, many int) {
	c := &s.columns
	q.priced += many
	q.rough = 0
	var groups []float32
	if c.traits.Grouped {
		groups = q.groupsOf(c, start, many)
	}
	for _, r := range c.blocks[start/blockSize].runs {
		from, to := max(int(r.from), start), min(int(r.to), start+many)
		if from >= to {
			continue
		}
		s.factors(q, r.class)
		ranged := c.classes[r.class].ranged
		if ranged {
			q.rough |= (1<<(to-from) - 1) << (from - start)
		}
		for k := range c.scorers {
			terms := &c.terms[k]
			terms.From = from
			if c.traits.Grouped {
				terms.Group = groups[from-start : to-start]
			}
			out := q.costs[k][from-start : to-start]
			if ranged {
				c.roughly(k, &q.factors[k][r.class], out)
			} else {
				c.scorers[k].Costs(terms, &q.factors[k][r.class], out)
			}
		}
	}
}

// roughly writes what the nodes that the terms are from cost at least, by the
// factors that bound those of their class.
func (c *columns) roughly(k int, f *Factors, out []float32) {
	if !c.trended {
		for i := range out {
			out[i] = -inf
		}
		return
	}
	c.bounds(k, &c.terms[k], f, out)
	atMost(out)
}

// bounds writes what nodes with terms no less than these cost at least.
func (c *columns) bounds(k int, terms *Columns, f *Factors, out []float32) {
	if bounder, is := c.scorers[k].Scorer.(Bounder); is {
		bounder.Bounds(terms, f, out)
	} else {
		c.scorers[k].Costs(terms, f, out)
	}
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
func (s *State) price(q *query, from, many int, passed uint64) {
	s.costs(q, from, many)
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
	for t, column := range c.terms[scorer].Term {
		q.one.terms[t] = column[slot]
	}
	return q.one.cost(c.scorers[scorer].Scorer, float32(group), s.own(q, scorer, slot))
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
	term    [len(Terms{})][]float32 // each of terms
	group   [1]float32
	out     [1]float32
	columns Columns // of term and group
}

// cost asks a scorer for the cost of the node that has the terms.
func (o *oneNode) cost(scorer Scorer, group float32, f *Factors) float32 {
	if o.columns.Group == nil {
		for i := range o.term {
			o.term[i] = o.terms[i : i+1]
		}
		o.columns.Term = o.term[:]
		o.columns.Group = o.group[:]
	}
	o.group[0] = group
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
