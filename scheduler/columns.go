package scheduler

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strings"

	"cube/worker/task"
)

// blockSize is how many nodes a block has: as many as a word has bits.
const blockSize = 64

// columns is what decisions read of the nodes: a slice a figure, a slot a node,
// brought up to date by [columns.settle] before a decision looks. Slots are
// sorted by capacity, then by name; no result depends on the order.
type columns struct {
	cfg    *Config
	traits Traits

	nodes  []*node // by slot
	rank   []int32 // place of the node in the order of names
	health []slotHealth
	room   [3][]int64 // what can still be promised: nanocores, bytes, bytes
	hash   []uint64
	class  []int32
	terms  [][4][]float32 // by scorer
	blocks []block
	pages  pages

	classes []Capacity
	classOf map[Capacity]int32

	dirty    []*node
	unsorted bool
	base     float64
	up       int // nodes whose health is not down or unknown

	settled Instant // when the healths were last looked at
	until   Instant // they hold until then

	figures Figures // of the node that is being refreshed

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

// block sums up blockSize consecutive slots.
type block struct {
	dirty bool
	ready uint64   // bit set of slots that are ready
	stale uint64   // and of those that are stale
	least [3]int64 // least room of any that is ready
	terms []Terms  // least terms of any that is ready, by scorer
	runs  []run    // consecutive slots of one class
	// oldest and newest reading of any that is ready or stale
	oldest, newest Instant
}

// run is consecutive slots of one class.
type run struct {
	from, to int32
	class    int32
}

func (c *columns) init(cfg *Config) {
	c.cfg = cfg
	c.traits = cfg.Policy.traits()
	c.classOf = make(map[Capacity]int32)
	c.terms = make([][4][]float32, len(cfg.Policy.Scorers))
	c.base = 2
	c.pages = make(pages)
	c.until = math.MaxInt64
}

// join adds a node; settle gives it its slot.
func (c *columns) join(n *node) {
	n.slot = len(c.nodes)
	c.nodes = append(c.nodes, n)
	c.unsorted = true
}

// leave takes a node out.
func (c *columns) leave(n *node) {
	last := len(c.nodes) - 1
	c.nodes[n.slot] = c.nodes[last]
	c.nodes[n.slot].slot = n.slot
	c.nodes[last] = nil
	c.nodes = c.nodes[:last]
	n.slot = -1
	c.unsorted = true
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

// settle brings the columns up to date for a decision at now.
func (c *columns) settle(now Instant) {
	if c.unsorted {
		c.sort()
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
		c.base = base
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
	c.settled = now
}

func (c *columns) touchAll() {
	for _, n := range c.nodes {
		c.touch(n)
	}
}

// sort gives every node its slot, and all columns their length.
func (c *columns) sort() {
	slices.SortFunc(c.nodes, func(a, b *node) int { return strings.Compare(a.Name, b.Name) })
	rank := make(map[*node]int32, len(c.nodes))
	c.classes = c.classes[:0]
	clear(c.classOf)
	for i, n := range c.nodes {
		rank[n] = int32(i)
	}
	class := make(map[*node]int32, len(c.nodes))
	for _, n := range c.nodes {
		class[n] = c.classify(n)
	}
	slices.SortStableFunc(c.nodes, func(a, b *node) int { return cmp.Compare(class[a], class[b]) })

	size := len(c.nodes)
	c.rank = resized(c.rank, size)
	c.health = resized(c.health, size)
	c.hash = resized(c.hash, size)
	c.class = resized(c.class, size)
	for r := range c.room {
		c.room[r] = resized(c.room[r], size)
	}
	for s := range c.terms {
		for t := range c.terms[s] {
			c.terms[s][t] = resized(c.terms[s][t], size)
		}
	}
	c.blocks = resized(c.blocks, (size+blockSize-1)/blockSize)
	c.up = 0
	for slot, n := range c.nodes {
		n.slot = slot
		c.rank[slot] = rank[n]
		c.hash[slot] = n.hash
		c.class[slot] = class[n]
		c.health[slot] = slotUnread
	}
	clear(c.labels)
	clear(c.pages)
	c.touchAll()
	c.unsorted = false
	c.until = math.MinInt64 // look at every health anew
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

// classify returns the number of the node's capacity.
func (c *columns) classify(n *node) int32 {
	f := n.figures(0, c.cfg)
	capacity := f.Capacity()
	class, known := c.classOf[capacity]
	if !known {
		if len(c.classes) > 2*len(c.nodes)+blockSize {
			c.unsorted = true // most are of readings long gone
		}
		class = int32(len(c.classes))
		c.classOf[capacity] = class
		c.classes = append(c.classes, capacity)
	}
	return class
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
	was := c.health[slot]
	if is == was {
		return
	}
	c.health[slot] = is
	c.up += isUp(is) - isUp(was)
	c.blocks[slot/blockSize].dirty = true
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
	cpu, memory, disk := n.room(c.cfg.OvercommitCpu)
	c.room[0][slot], c.room[1][slot], c.room[2][slot] = cpu, memory, disk
	c.figures = n.figures(now, c.cfg)
	for i, scorer := range c.cfg.Policy.Scorers {
		terms := scorer.Terms(&c.figures, c.base)
		for t := range terms {
			c.terms[i][t][slot] = terms[t]
		}
	}
	c.class[slot] = c.classify(n)
	if c.traits.Grouped {
		c.pages.write(slot, n)
	}
	c.blocks[slot/blockSize].dirty = true
}

// span returns the slots of a block.
func (c *columns) span(b int) (from, to int) {
	return b * blockSize, min((b+1)*blockSize, len(c.nodes))
}

// block returns a block with its sums up to date.
func (c *columns) block(i int) *block {
	b := &c.blocks[i]
	if b.dirty {
		c.sum(i, b)
	}
	return b
}

var inf = float32(math.Inf(1))

// sum makes a block's sums.
func (c *columns) sum(i int, b *block) {
	from, to := c.span(i)
	b.dirty = false
	b.ready, b.stale = 0, 0
	for slot := from; slot < to; slot++ {
		switch c.health[slot] {
		case slotReady:
			b.ready |= 1 << (slot - from)
		case slotStale:
			b.stale |= 1 << (slot - from)
		}
	}
	b.oldest, b.newest = math.MaxInt64, math.MinInt64
	for set := b.ready | b.stale; set != 0; set &= set - 1 {
		at := c.nodes[from+bits.TrailingZeros64(set)].reading.At
		b.oldest, b.newest = min(b.oldest, at), max(b.newest, at)
	}
	b.least = [3]int64{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	b.terms = resized(b.terms, len(c.terms))
	for s := range b.terms {
		b.terms[s] = Terms{inf, inf, inf, inf}
	}
	for set := b.ready; set != 0; set &= set - 1 {
		slot := from + bits.TrailingZeros64(set)
		for r := range b.least {
			b.least[r] = min(b.least[r], c.room[r][slot])
		}
		for s := range b.terms {
			for t := range b.terms[s] {
				b.terms[s][t] = min(b.terms[s][t], c.terms[s][t][slot])
			}
		}
	}
	b.runs = b.runs[:0]
	for slot := from; slot < to; slot++ {
		class := c.class[slot]
		if last := len(b.runs) - 1; last >= 0 && b.runs[last].class == class {
			b.runs[last].to = int32(slot + 1)
		} else {
			b.runs = append(b.runs, run{from: int32(slot), to: int32(slot + 1), class: class})
		}
	}
}
