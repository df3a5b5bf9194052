package scheduler

import (
	"math"
	"math/bits"
	"slices"

	"cube/worker/task"
)

// columns is what decisions read of the nodes: a slice a figure, a slot a node,
// brought up to date by [columns.settle] before a decision looks. Slots are
// sorted by capacity, and among those of one so that the nodes of a block and of
// a cell are alike (see splitter); no result depends on it.
type columns struct {
	cfg     *Config
	scorers []WeightedScorer // the policy's, of the base
	rules   *rules           // the same, for outcomes to keep
	traits  Traits
	bounded bool
	trends  []Trend // by scorer
	trended bool    // all of them have one

	nodes  []*node // by slot
	health []slotHealth
	rank   []int32    // place of the node in the order of names
	room   [3][]int64 // what can still be promised: nanocores, bytes, bytes
	hash   []uint64
	class  []int32
	readAt []Instant
	terms  []Columns // by scorer
	seen   []*seen   // what decisions wrote down of the node as it is; nil before one does
	pages  pages

	blocks []block
	floors []floor   // by block
	least  []Columns // by scorer: of each cell, no more than the terms of any node that is ready
	lowest []Columns // and of each block
	spans  []span    // consecutive blocks of one class; nil when to be found anew
	mess   []int32   // blocks that are untidy

	oldest, newest Instant // readings of all nodes that are ready or stale
	aged           bool    // those of a block changed

	classes     []class
	classOf     map[Capacity]int32 // by rounded capacity
	grain       int                // of the rounding
	mostClasses int                // before another grain is chosen

	dirty     []*node
	unnamed   bool // the nodes are others than when they were last ranked
	unsorted  bool
	refreshed int // nodes, since they were sorted
	base      float64
	up        int // nodes whose health is not down or unknown

	settled Instant // when the healths were last looked at
	until   Instant // they hold until then

	figures Figures // of the node that is being refreshed
	derived Terms   // from them, by one scorer

	labels map[task.Constraint][]uint64 // nodes that meet a constraint, by slot
}

// slotHealth is a node's health as decisions need it.
type slotHealth uint8

const (
	slotReady slotHealth = iota
	slotStale
	slotDown
	slotUnread
	slotDraining
)

func (c *columns) init(cfg *Config) {
	c.cfg = cfg
	c.traits = cfg.Policy.traits()
	c.bounded = cfg.Policy.bounded()
	c.trended = true
	for _, w := range cfg.Policy.Scorers {
		is := w.Traits()
		c.trends = append(c.trends, is.Capacity)
		c.trended = c.trended && is.Capacity != NoTrend
		for _, all := range [...]*[]Columns{&c.terms, &c.least, &c.lowest} {
			*all = append(*all, Columns{Term: make([][]float32, is.Terms), Group: none[:]})
		}
	}
	c.classOf = make(map[Capacity]int32)
	c.rebase(2)
	c.pages = make(pages)
	c.until = math.MaxInt64
}

// join adds a node; settle gives it its slot.
func (c *columns) join(n *node) {
	n.slot = len(c.nodes)
	c.nodes = append(c.nodes, n)
	c.unsorted, c.unnamed = true, true
}

// leave takes a node out.
func (c *columns) leave(n *node) {
	last := len(c.nodes) - 1
	c.nodes[n.slot] = c.nodes[last]
	c.nodes[n.slot].slot = n.slot
	c.nodes[last] = nil
	c.nodes = c.nodes[:last]
	n.slot = -1
	c.unsorted, c.unnamed = true, true
}

// touch says that a node's figures changed.
func (c *columns) touch(n *node) {
	if !n.dirty {
		n.dirty = true
		c.dirty = append(c.dirty, n)
	}
}

// relabel says that a node's labels may have changed.
func (c *columns) relabel() { clear(c.labels) }

// resortAfter is after how many changes a node all are sorted anew. Sorting
// costs about as much as eight of them, so that it is a small part of what they
// cost; the order still holds back as many nodes by then.
const resortAfter = 32

// settle brings the columns up to date for a decision at now.
func (c *columns) settle(now Instant) {
	if c.refreshed > resortAfter*len(c.nodes) {
		c.unsorted = true // they have changed too much to be alike still
	}
	if c.unsorted {
		c.sort(now)
	}
	if now >= c.until || now < c.settled {
		c.sweep(now)
	}
	for _, n := range c.dirty {
		if n.slot >= 0 {
			c.refreshHealth(n.slot, now)
		}
	}
	if base := float64(max(2, c.up)); c.traits.Based && base != c.base {
		c.rebase(base)
		c.touchAll()
	}
	for _, n := range c.dirty {
		n.dirty = false
		if n.slot >= 0 {
			c.refresh(n.slot, now)
		}
	}
	clear(c.dirty)
	c.dirty = c.dirty[:0]
	c.tidy()
	c.settled = now
}

func (c *columns) rebase(base float64) {
	p := &c.cfg.Policy
	c.base, c.scorers = base, p.ofBase(base)
	c.rules = &rules{policy: p.Name, scorers: c.scorers, base: base, based: c.traits.Based}
}

func (c *columns) touchAll() {
	for _, n := range c.nodes {
		c.touch(n)
	}
}

// sweep looks at the health of every node, and for how long it all holds.
func (c *columns) sweep(now Instant) {
	c.until = math.MaxInt64
	for slot := range c.nodes {
		c.refreshHealth(slot, now)
	}
}

// refreshHealth brings one node's health up to date.
func (c *columns) refreshHealth(slot int, now Instant) {
	n := c.nodes[slot]
	var is slotHealth
	switch n.health(now, c.cfg) {
	case Ready:
		is = slotReady
		c.until = min(c.until, n.reading.At+Instant(c.cfg.StaleAfter)+1)
	case Stale:
		is = slotStale
		c.until = min(c.until, n.reading.At+Instant(c.cfg.DownAfter)+1)
	case Draining:
		is = slotDraining
		c.until = min(c.until, n.reading.At+Instant(c.cfg.DownAfter)+1)
	case Down:
		is = slotDown
	case Unknown:
		is = slotUnread
		if n.read {
			c.until = min(c.until, n.reading.At+Instant(c.cfg.DownAfter)+1)
		}
	}
	n.stale = is == slotStale
	was := c.health[slot]
	if is == was {
		return
	}
	c.health[slot] = is
	c.up += isUp(is) - isUp(was)
	c.untidy(slot / blockSize).dirty = true
	c.touch(n)
}

func isUp(h slotHealth) int {
	if h == slotDown || h == slotUnread {
		return 0
	}
	return 1
}

// refresh brings one node's columns up to date.
func (c *columns) refresh(slot int, now Instant) {
	n := c.nodes[slot]
	c.refreshed++
	f := &c.floors[slot/blockSize]
	cpu, memory, disk := n.room(&n.facts.limits)
	for r, room := range [...]int64{cpu, memory, disk} {
		c.room[r][slot] = room
		f.room[r] = min(f.room[r], room)
	}
	n.seen.figures(now, &c.figures)
	for i, scorer := range c.scorers {
		scorer.Terms(&c.figures, c.base, &c.derived)
		for t := range c.terms[i].Term {
			c.setTerm(i, t, slot, c.derived[t])
		}
	}
	c.seen[slot] = nil
	if n.reread {
		n.reread = false
		c.readAt[slot] = n.reading.At
		c.untidy(slot / blockSize).reread = true
		capacity := c.figures.Capacity()
		if at := c.class[slot]; !c.classes[at].holds(&capacity) {
			if c.class[slot] = c.classify(&capacity); c.class[slot] != at {
				c.untidy(slot / blockSize).dirty = true
				c.spans = nil
			}
		}
	}
	if c.traits.Grouped {
		c.pages.write(slot, n)
	}
	if n.emptied {
		n.emptied = false
		n.groups = slices.DeleteFunc(n.groups, func(g groupSum) bool { return g.tasks == 0 })
	}
	c.blocks[slot/blockSize].loose++
}

// setTerm writes a term, and keeps the least of its cell and block no more than
// that.
func (c *columns) setTerm(scorer, term, slot int, v float32) {
	column := c.terms[scorer].Term[term]
	was := column[slot]
	if v == was {
		return
	}
	column[slot] = v
	cell, block := slot/cellSize, slot/blockSize
	least, lowest := &c.least[scorer].Term[term][cell], &c.lowest[scorer].Term[term][block]
	*lowest = min(*lowest, v)
	switch {
	case v <= *least:
		*least = v
	case was <= *least: // it may have been the least
		c.untidy(block).slack |= 1 << (cell % blockCells)
	}
}

// leastOf returns the least of those in the set; infinity when it is empty.
func leastOf(column []float32, set uint64) float32 {
	least := inf
	for ; set != 0; set &= set - 1 {
		least = min(least, column[bits.TrailingZeros64(set)])
	}
	return least
}
