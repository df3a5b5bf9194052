package scheduler

import (
	"math"
	"math/bits"
)

var infinity = math.Inf(1)

// query is one decision in the making. Its memory is used again and again.
type query struct {
	demand *Demand
	now    Instant
	seed   uint64
	ask    [3]int64 // nanocores, bytes, bytes
	asked  Asked
	group  group

	barred   barred
	barSet   []uint64
	labelled []uint64
	labelSet []uint64

	factors [][]Factors // by scorer and class
	made    []uint64    // by class: the number of the query they were made for
	number  uint64

	one     oneNode
	columns Columns

	oldest, newest Instant // readings of the nodes looked at

	passed  int
	refused refusals
	best    best
	costs   [][blockSize]float32 // by scorer
}

// Decide chooses a node for a demand. It changes nothing: [State.Place] does,
// once the choice is kept. The same state, instant, demand and seed give the
// same decision; Time is left for the caller to fill in.
//
// Nodes with a fresh reading come first. Only when none of them fits are those
// with a stale one asked, their CPU taken to be what was promised.
func (s *State) Decide(now Instant, d Demand, seed uint64) Decision {
	q := s.ask(now, &d, seed)
	s.scan(q, false)
	if q.passed == 0 && q.refused.count[byStale] > 0 {
		q.refused = refusals{}
		s.scan(q, true)
	}
	return s.record(q)
}

// ask prepares a decision.
func (s *State) ask(now Instant, d *Demand, seed uint64) *query {
	c := &s.columns
	c.settle(now)
	q := &s.scratch
	q.demand, q.now, q.seed = d, now, seed
	q.ask = [3]int64{nanocores(d.Requests.Cpu), int64(d.Requests.Memory), int64(d.Requests.Disk)}
	expects := s.predict.predict(q.ask[0])
	q.group = group{q.ask[0], q.ask[1]}
	q.asked = Asked{
		Cpu:          cores(q.ask[0]),
		CpuPredicted: expects.mean,
		CpuVariance:  expects.variance,
		Memory:       float64(d.Requests.Memory),
		Disk:         float64(d.Requests.Disk),
	}
	q.passed, q.refused = 0, refusals{}
	q.number++
	q.made = grown(q.made, len(c.classes))
	q.factors = grown(q.factors, len(c.terms))
	q.costs = grown(q.costs, len(c.terms))
	for i := range q.factors {
		q.factors[i] = grown(q.factors[i], len(c.classes))
	}
	s.bar(q)
	q.labelled = c.labelled(d.Constraints, q.labelSet)
	if q.labelled != nil {
		q.labelSet = q.labelled
	}
	return q
}

// grown returns s with at least n elements.
func grown[T any](s []T, n int) []T {
	if len(s) >= n {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}

// factors makes the factors of all scorers for a class, once a query.
func (s *State) factors(q *query, class int32) {
	if q.made[class] == q.number {
		return
	}
	q.made[class] = q.number
	c := &s.columns
	for i, scorer := range c.cfg.Policy.Scorers {
		q.factors[i][class] = scorer.Factors(&q.asked, c.classes[class], c.base)
	}
}

// scan looks at all nodes, and keeps the best and the counts of the refused.
func (s *State) scan(q *query, stale bool) {
	c := &s.columns
	q.oldest, q.newest = math.MaxInt64, math.MinInt64
	q.best.reset(Shown)
	if sample := c.cfg.Policy.Sample; sample > 0 {
		q.best.reset(sample)
	}
	for i := range c.blocks {
		b := c.block(i)
		q.oldest, q.newest = min(q.oldest, b.oldest), max(q.newest, b.newest)
		candidates := b.ready
		if stale {
			candidates = b.stale
		}
		passed := s.pass(q, i, b, candidates)
		if passed == 0 {
			continue
		}
		q.passed += bits.OnesCount64(passed)
		if c.cfg.Policy.Sample > 0 {
			s.draw(q, i, passed)
			continue
		}
		if c.traits.Monotone && !stale && s.bound(q, b) > q.best.worst() {
			continue
		}
		s.price(q, i, b, passed)
	}
	if c.cfg.Policy.Sample > 0 {
		s.priceDrawn(q)
	}
}

// bound returns a key that no node of the block is below.
func (s *State) bound(q *query, b *block) float64 {
	c := &s.columns
	least := infinity
	for _, r := range b.runs {
		s.factors(q, r.class)
		for i := range b.terms {
			q.costs[i][0] = s.cost(q, i, b.terms[i], 0, r.class)
		}
		least = min(least, c.key(q, 0))
	}
	return least
}

// cost returns one scorer's cost of one node.
func (s *State) cost(q *query, scorer int, t Terms, group float64, class int32) float32 {
	return q.one.cost(s.cfg.Policy.Scorers[scorer].Scorer, t, float32(group), &q.factors[scorer][class])
}

// oneNode is columns of a single node.
type oneNode struct {
	room    [5]float32
	out     [1]float32
	columns Columns
}

// cost asks a scorer for the cost of a single node.
func (o *oneNode) cost(scorer Scorer, t Terms, group float32, f *Factors) float32 {
	o.room = [...]float32{t[0], t[1], t[2], t[3], group}
	for i := range o.columns.Term {
		o.columns.Term[i] = o.room[i : i+1]
	}
	o.columns.Group = o.room[4:5]
	scorer.Costs(&o.columns, f, o.out[:])
	return o.out[0]
}

// key returns what the k-th node priced is ranked by: the cost of the one
// scorer there is, or 100 less the weighted mean of the scores.
func (c *columns) key(q *query, k int) float64 {
	if len(c.terms) == 1 {
		return ranking(float64(q.costs[0][k]))
	}
	sum, weights := 0.0, 0.0
	for i, w := range c.cfg.Policy.Scorers {
		sum += float64(w.Weight * w.Score(q.costs[i][k], c.base))
		weights += w.Weight
	}
	return ranking(100 - sum/weights)
}

// ranking makes a cost that is no number the worst of all.
func ranking(cost float64) float64 {
	if cost != cost {
		return infinity
	}
	return cost
}

// price reckons what the nodes of a block cost, and offers those that passed.
func (s *State) price(q *query, i int, b *block, passed uint64) {
	c := &s.columns
	from, _ := c.span(i)
	groups := &none
	if c.traits.Grouped {
		groups = c.pages.of(q.group, i)
	}
	for _, r := range b.runs {
		s.factors(q, r.class)
		q.columns.Group = groups[int(r.from)-from : int(r.to)-from]
		for k, scorer := range c.cfg.Policy.Scorers {
			for t := range q.columns.Term {
				q.columns.Term[t] = c.terms[k][t][r.from:r.to]
			}
			scorer.Costs(&q.columns, &q.factors[k][r.class], q.costs[k][int(r.from)-from:int(r.to)-from])
		}
	}
	for set := passed; set != 0; set &= set - 1 {
		k := bits.TrailingZeros64(set)
		if key := c.key(q, k); key <= q.best.worst() {
			slot := int32(from + k)
			q.best.offer(ranked{key: key, tie: tie(q.seed, c.hash[slot]), slot: slot}, c.rank)
		}
	}
}

// draw offers the nodes that passed in an order by chance alone.
func (s *State) draw(q *query, i int, passed uint64) {
	c := &s.columns
	from, _ := c.span(i)
	chance := q.chance()
	for set := passed; set != 0; set &= set - 1 {
		slot := int32(from + bits.TrailingZeros64(set))
		q.best.offer(ranked{tie: tie(chance, c.hash[slot]), slot: slot}, c.rank)
	}
}

// chance is the seed of a draw: another one for every task.
func (q *query) chance() uint64 {
	x := q.seed
	for i := 0; i < len(q.demand.Task); i += 8 {
		word := uint64(0)
		for _, b := range q.demand.Task[i : i+8] {
			word = word<<8 | uint64(b)
		}
		x = mix(x ^ word)
	}
	return x
}

// priceDrawn prices the nodes that were drawn, and sorts them.
func (s *State) priceDrawn(q *query) {
	c := &s.columns
	drawn := q.best
	q.best.reset(drawn.n)
	for _, r := range drawn.list[:drawn.n] {
		s.factors(q, c.class[r.slot])
		for i := range c.terms {
			q.costs[i][0] = s.cost(q, i, c.termsOf(i, r.slot), c.nodes[r.slot].deviation(q.group), c.class[r.slot])
		}
		r.key, r.tie = c.key(q, 0), tie(q.seed, c.hash[r.slot])
		q.best.offer(r, c.rank)
	}
}

// termsOf gathers one scorer's terms of one node.
func (c *columns) termsOf(scorer int, slot int32) Terms {
	t := &c.terms[scorer]
	return Terms{t[0][slot], t[1][slot], t[2][slot], t[3][slot]}
}
