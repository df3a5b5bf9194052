package scheduler

import (
	"math"
	"math/bits"
)

var infinity = math.Inf(1)

// query is one decision in the making. Its memory is used again and again.
type query struct {
	demand  *Demand
	alone   Demand // the demand that is not of a batch
	now     Instant
	seed    uint64
	ask     [3]int64 // nanocores, bytes, bytes
	asked   Asked
	expects estimate // what a task of the demand's kind is to use
	group   group

	barred   barred
	barSet   []uint64
	labelled []uint64
	labelSet []uint64

	factors [][]Factors // by scorer and class
	single  Factors     // of one node
	rough   uint64      // bit set of the nodes priced last whose costs are bounds
	made    []uint64    // by class: the number of the query they were made for
	number  uint64

	one oneNode

	page   *[blockSize]float32 // the block pageOf's column of the group; nil before one is looked at
	pageOf int

	bounds []float64 // by block
	free   bool      // of bounds: there are none
	passes []uint64  // by block: who passed
	order  []bounded // blocks and cells by bound, in a batch
	words  words     // of the refusals written down
	ends   []int     // in words, of each
	pool   []ranked

	shown row        // of a batch: q.best, written down
	seen  slab[seen] // for the next nodes that are written down

	priced, filtered int // nodes looked at one by one
	parted           int // blocks whose cells were looked at
	vain             int // of them, since one had a cell that was held back
	passed           int
	refused          refusals
	best             best
	costs            [][blockSize]float32 // by scorer
}

// Decide chooses a node for a demand. It changes nothing: [State.Place] does,
// once the choice is kept. The same state, instant, demand and seed give the
// same decision; Time is left for the caller to fill in.
//
// Nodes with a fresh reading come first. Only when none of them fits are those
// with a stale one asked, their CPU taken to be what was promised.
func (s *State) Decide(now Instant, d Demand, seed uint64) Outcome {
	s.scratch.alone = d // so that it needs no memory of its own
	q := s.ask(now, &s.scratch.alone, seed)
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
	q.expects = s.predict.predict(kind{q.ask[0], d.Name})
	q.group = group{q.ask[0], q.ask[1]}
	q.asked = askedOf(d.Requests, q.expects)
	q.passed, q.refused, q.page = 0, refusals{}, nil
	q.priced, q.filtered, q.parted, q.vain = 0, 0, 0, 0
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

// draw offers the nodes that passed in an order by chance alone.
func (s *State) draw(q *query, i int, passed uint64) {
	c := &s.columns
	from := i * blockSize
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
		r.key, r.tie = s.keyOf(q, r.slot), tie(q.seed, c.hash[r.slot])
		q.best.offer(r, c.rank)
	}
}
