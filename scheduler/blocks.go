package scheduler

import (
	"math"
	"math/bits"
)

// blockSize is how many nodes a block has: as many as a word has bits.
const blockSize = 64

// cellSize is how many consecutive slots have one bound of what they cost. A
// block has a few of such cells: a bound holds back the more of the nodes the
// fewer it is of, and is cheap beside what is counted of a block.
const (
	cellSize   = 16
	blockCells = blockSize / cellSize
)

// block sums up blockSize consecutive slots.
type block struct {
	untidy bool   // some of what follows is to be made anew
	dirty  bool   // all of it
	reread bool   // oldest and newest
	slack  uint8  // bit set of cells whose least terms may be too low
	loose  int    // changes since the floor's room was a tight bound
	stale  uint64 // bit set of slots that are stale
	runs   []run  // consecutive slots of one class
	// oldest and newest reading of any that is ready or stale
	oldest, newest Instant
}

// floor is what decisions look at of every block.
type floor struct {
	ready uint64   // bit set of slots that are ready
	room  [3]int64 // no more than any of them has
}

// looseEnough is after how many changes a block's bounds are worth making anew.
const looseEnough = 16

// run is consecutive slots of one class.
type run struct {
	from, to int32
	class    int32
}

// span is consecutive blocks of one class; mixed marks a single block of
// several.
type span struct {
	from, to int
	class    int32
	mixed    bool
}

var inf = float32(math.Inf(1))

// slots returns the slots of a block.
func (c *columns) slots(b int) (from, to int) {
	return b * blockSize, min((b+1)*blockSize, len(c.nodes))
}

// tighten makes a block's sums.
func (c *columns) tighten(i int) {
	b := &c.blocks[i]
	if b.dirty {
		c.sort64(i)
	}
	b.dirty = false
	c.measure(i)
	c.lower(i, allCells)
	c.ages(i)
}

// measure finds the room that all of a block that are ready have.
func (c *columns) measure(i int) {
	from, _ := c.slots(i)
	f := &c.floors[i]
	c.blocks[i].loose = 0
	f.room = [3]int64{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	for set := f.ready; set != 0; set &= set - 1 {
		slot := from + bits.TrailingZeros64(set)
		for r := range f.room {
			f.room[r] = min(f.room[r], c.room[r][slot])
		}
	}
}

// lower finds the least terms of some of a block's cells, and of the block.
func (c *columns) lower(i int, cells uint8) {
	from, to := c.slots(i)
	ready := c.floors[i].ready
	for s := range c.terms {
		for t, terms := range c.terms[s].Term {
			least := c.least[s].Term[t][i*blockCells : (i+1)*blockCells]
			for set := cells; set != 0; set &= set - 1 {
				cell := bits.TrailingZeros8(set)
				start := min(from+cell*cellSize, to)
				column := terms[start:min(start+cellSize, to)]
				least[cell] = leastOf(column, ready>>(cell*cellSize)&cellMask)
			}
			c.lowest[s].Term[t][i] = leastOf(least, allCells)
		}
	}
	c.blocks[i].slack &^= cells
}

// allCells is the bit set of a block's cells.
const allCells = 1<<blockCells - 1

// ages finds the oldest and the newest reading of a block.
func (c *columns) ages(i int) {
	b := &c.blocks[i]
	from, _ := c.slots(i)
	b.reread, c.aged = false, true
	b.oldest, b.newest = math.MaxInt64, math.MinInt64
	for set := c.floors[i].ready | b.stale; set != 0; set &= set - 1 {
		at := c.readAt[from+bits.TrailingZeros64(set)]
		b.oldest, b.newest = min(b.oldest, at), max(b.newest, at)
	}
}

// sort64 finds which nodes of a block are ready or stale, and its runs.
func (c *columns) sort64(i int) {
	b, f := &c.blocks[i], &c.floors[i]
	from, to := c.slots(i)
	f.ready, b.stale = 0, 0
	b.runs = b.runs[:0]
	for slot := from; slot < to; slot++ {
		switch c.health[slot] {
		case slotReady:
			f.ready |= 1 << (slot - from)
		case slotStale:
			b.stale |= 1 << (slot - from)
		}
		class := c.class[slot]
		if last := len(b.runs) - 1; last >= 0 && b.runs[last].class == class {
			b.runs[last].to = int32(slot + 1)
		} else {
			b.runs = append(b.runs, run{from: int32(slot), to: int32(slot + 1), class: class})
		}
	}
}

// untidy says that something of a block is to be made anew before a decision
// looks at it.
func (c *columns) untidy(i int) *block {
	b := &c.blocks[i]
	if !b.untidy {
		b.untidy = true
		c.mess = append(c.mess, int32(i))
	}
	return b
}

// tidy makes what does not hold any more, and the spans.
func (c *columns) tidy() {
	for _, block := range c.mess {
		i := int(block)
		b := &c.blocks[i]
		b.untidy = false
		if b.dirty {
			c.tighten(i)
			continue
		}
		if b.reread {
			c.ages(i)
		}
		if b.slack != 0 {
			c.lower(i, b.slack)
		}
	}
	c.mess = c.mess[:0]
	if c.aged {
		c.aged = false
		c.oldest, c.newest = math.MaxInt64, math.MinInt64
		for i := range c.blocks {
			b := &c.blocks[i]
			c.oldest, c.newest = min(c.oldest, b.oldest), max(c.newest, b.newest)
		}
	}
	if c.spans == nil {
		c.span()
	}
}

// span finds the spans.
func (c *columns) span() {
	for i := range c.blocks {
		runs := c.blocks[i].runs
		last := len(c.spans) - 1
		switch {
		case len(runs) > 1:
			c.spans = append(c.spans, span{from: i, to: i + 1, mixed: true})
		case last >= 0 && !c.spans[last].mixed && c.spans[last].class == runs[0].class:
			c.spans[last].to = i + 1
		default:
			c.spans = append(c.spans, span{from: i, to: i + 1, class: runs[0].class})
		}
	}
}
