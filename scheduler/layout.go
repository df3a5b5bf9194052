package scheduler

import (
	"math"
	"slices"
	"strings"
)

// ordinary is the demand by whose cost nodes are told apart. Any would do.
var ordinary = Asked{Cpu: 0.25, CpuPredicted: 0.25, Memory: 512 << 20, Disk: 1 << 30}

// place is where a node goes in the columns.
type place struct {
	node  *node
	rank  int32
	class int32
	terms Terms
}

// sort gives every node its slot, and all columns their length.
func (c *columns) sort(now Instant) {
	places := c.byClass(c.ranked(now))
	scorer := c.scorers[0]
	for from := 0; from < len(places); {
		class := places[from].class
		to := from + 1
		for to < len(places) && places[to].class == class {
			to++
		}
		s := splitter{scorer: scorer, factors: scorer.Factors(&ordinary, c.classes[class].most, c.base)}
		s.split(places[from:to], from)
		from = to
	}
	c.resize(len(places))
	c.up = 0
	for slot, p := range places {
		p.node.slot, p.node.rank = slot, p.rank
		c.nodes[slot] = p.node
		c.rank[slot], c.class[slot], c.hash[slot] = p.rank, p.class, p.node.hash
		c.health[slot], c.readAt[slot] = slotUnread, p.node.reading.At
	}
	clear(c.labels)
	clear(c.pages)
	c.touchAll()
	c.unsorted, c.unnamed, c.refreshed = false, false, -len(c.nodes)
	c.until = -1 << 63 // look at every health anew
}

// ranked returns the nodes with what they are to be sorted by.
func (c *columns) ranked(now Instant) []place {
	if c.unnamed {
		slices.SortFunc(c.nodes, func(a, b *node) int { return strings.Compare(a.Name, b.Name) })
		for i, n := range c.nodes {
			n.rank = int32(i)
		}
	}
	scorer := c.scorers[0]
	places := make([]place, len(c.nodes))
	capacities := make([]Capacity, len(c.nodes))
	for i, n := range c.nodes {
		n.figuresAt(now, c.cfg, &c.figures)
		at := &places[i]
		at.node, at.rank = n, n.rank
		scorer.Terms(&c.figures, c.base, &at.terms)
		for t, v := range at.terms {
			if v != v {
				at.terms[t] = inf // so that there is an order
			}
		}
		capacities[i] = c.figures.Capacity()
	}
	c.choose(capacities)
	c.mostClasses = math.MaxInt
	for i := range places {
		places[i].class = c.classify(&capacities[i])
	}
	c.mostClasses = 2*len(c.classes) + classesKept
	return places
}

// byClass returns the places with those of one class in a row.
func (c *columns) byClass(places []place) []place {
	starts := make([]int, len(c.classes)+1)
	for i := range places {
		starts[places[i].class+1]++
	}
	for i := range c.classes {
		starts[i+1] += starts[i]
	}
	sorted := make([]place, len(places))
	for i := range places {
		at := &starts[places[i].class]
		sorted[*at] = places[i]
		*at++
	}
	return sorted
}

// resize gives all columns room for so many nodes, and zeroes them.
func (c *columns) resize(size int) {
	blocks := (size + blockSize - 1) / blockSize
	c.rank = resized(c.rank, size)
	c.health = resized(c.health, size)
	c.hash = resized(c.hash, size)
	c.readAt = resized(c.readAt, size)
	c.seen = resized(c.seen, size)
	c.class = resized(c.class, size)
	for r := range c.room {
		c.room[r] = resized(c.room[r], size)
	}
	for s := range c.terms {
		terms, least, lowest := c.terms[s].Term, c.least[s].Term, c.lowest[s].Term
		for t := range terms {
			terms[t] = resized(terms[t], size)
			least[t] = resized(least[t], blocks*blockCells)
			lowest[t] = resized(lowest[t], blocks)
		}
	}
	c.blocks = resized(c.blocks, blocks)
	c.floors = resized(c.floors, blocks)
	c.mess = c.mess[:0]
	for i := range c.blocks {
		c.untidy(i).dirty = true
	}
	c.spans = nil
}

// sized returns a slice of n of whatever values, in s's memory where that is
// enough.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// resized returns a slice of n zeros, in s's memory where that is enough.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}
