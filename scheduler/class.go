package scheduler

import "math"

// class is nodes of one capacity, for which a demand's factors are made once; or,
// where a fleet has more capacities than are worth that (machines of one model
// differ by some bytes of memory), of capacities that are near to each other.
// Then the factors of the class make a bound of what its nodes cost, and those
// that it does not hold back are priced each by its own.
type class struct {
	least, most Capacity // figure by figure
	ranged      bool     // there is more than one capacity
}

// classesKept is for how many capacities at most factors are made exactly.
const classesKept = 64

// exactly is the grain at which no two capacities are taken for the same.
const exactly = 52

// grains are how many bits of each figure's mantissa tell classes apart, the
// finest first that makes no more than classesKept. At 7 bits figures of one
// class are less than 1 % apart, at 0 less than a factor of 2.
var grains = [...]int{exactly, 12, 9, 7, 5, 3, 2, 1, 0}

// capacityBounds is how far beyond a class's capacities its bounds are taken, and
// costBounds how far below its costs: powers and roots are right to their last
// bit only, so that they may fall where they should rise.
const (
	capacityBounds = 1e-9
	costBounds     = 1e-6
)

// holds reports whether a capacity is among the class's.
func (l *class) holds(c *Capacity) bool {
	return l.least.within(c) && c.within(&l.most)
}

// widen makes room for a capacity.
func (l *class) widen(c *Capacity) {
	for i, v := range c.figures() {
		*l.least.figures()[i] = min(*l.least.figures()[i], *v)
		*l.most.figures()[i] = max(*l.most.figures()[i], *v)
	}
	l.ranged = l.least != l.most
}

// bound returns a capacity with which no node of the class costs more than with
// its own.
func (l *class) bound(trend Trend) Capacity {
	bound, by := l.most, 1+capacityBounds
	if trend == Rises {
		bound, by = l.least, 1-capacityBounds
	}
	if l.ranged {
		for _, v := range bound.figures() {
			*v *= by
		}
	}
	return bound
}

// figures are the capacity's, to be changed in place.
func (c *Capacity) figures() [5]*float64 {
	return [...]*float64{&c.CpuCores, &c.CpuLimit, &c.MemoryTotal, &c.MemoryLimit, &c.DiskLimit}
}

// within reports whether no figure is above o's.
func (c *Capacity) within(o *Capacity) bool {
	return c.CpuCores <= o.CpuCores && c.CpuLimit <= o.CpuLimit &&
		c.MemoryTotal <= o.MemoryTotal && c.MemoryLimit <= o.MemoryLimit && c.DiskLimit <= o.DiskLimit
}

// rounded returns the capacity as classes tell it apart. What is known never
// becomes 0, which stands for what is not.
func (c Capacity) rounded(grain int) Capacity {
	for _, v := range c.figures() {
		*v = math.Float64frombits(math.Float64bits(*v) &^ (1<<(52-grain) - 1))
	}
	return c
}

// choose picks the grain for these capacities, and forgets the classes.
func (c *columns) choose(capacities []Capacity) {
	c.classes = c.classes[:0]
	for _, c.grain = range grains {
		clear(c.classOf)
		for i := range capacities {
			c.classOf[capacities[i].rounded(c.grain)] = 0
			if len(c.classOf) > classesKept {
				break
			}
		}
		if len(c.classOf) <= classesKept {
			break
		}
	}
	clear(c.classOf)
}

// classify returns the class of a capacity, which it makes room for.
func (c *columns) classify(capacity *Capacity) int32 {
	key := capacity.rounded(c.grain)
	at, known := c.classOf[key]
	if known {
		c.classes[at].widen(capacity)
		return at
	}
	at = int32(len(c.classes))
	c.classOf[key] = at
	c.classes = append(c.classes, class{least: *capacity, most: *capacity})
	if len(c.classes) > c.mostClasses {
		c.unsorted = true // too many: for another grain
	}
	return at
}

// factors makes the factors of all scorers for a class, once a query: of a class
// that is ranged those that make a bound.
func (s *State) factors(q *query, class int32) {
	if q.made[class] == q.number {
		return
	}
	q.made[class] = q.number
	c := &s.columns
	for i, scorer := range c.scorers {
		q.factors[i][class] = scorer.Factors(&q.asked, c.classes[class].bound(c.trends[i]), c.base)
	}
}

// own returns the factors of one scorer for the node of a slot alone.
func (s *State) own(q *query, scorer int, slot int32) *Factors {
	c := &s.columns
	at := c.class[slot]
	if !c.classes[at].ranged {
		s.factors(q, at)
		return &q.factors[scorer][at]
	}
	q.single = c.scorers[scorer].Factors(&q.asked, c.nodes[slot].facts.capacity(), c.base)
	return &q.single
}

// atMost lowers costs that bounding factors made to what no node is below.
func atMost(costs []float32) {
	for i, v := range costs {
		costs[i] = v - float32(float32(math.Abs(float64(v)))*costBounds)
	}
}
