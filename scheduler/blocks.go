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
	dirty  bool   // the sums are to be made anew
	reread bool   // oldest and newest are
	loose  int    // changes since room was a tight bound
	ready  uint64 // bit set of slots that are ready
	stale  uint64 // and of those that are stale
	room   [3]int64
	runs   []run // consecutive slots of one class
	// oldest and newest reading of any that is ready or stale
	oldest, newest Instant
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
	from, to := c.slots(i)
	if b.dirty {
		c.sort64(b, from, to)
	}
	b.dirty, b.loose = false, 0
	b.room = [3]int64{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	for set := b.ready; set != 0; set &= set - 1 {
		slot := from + bits.TrailingZeros64(set)
		for r := range b.room {
			b.room[r] = min(b.room[r], c.room[r][slot])
		}
	}
	for s := range c.terms {
		for t := range c.terms[s] {
			for cell := range blockCells {
				start := min(from+cell*cellSize, to)
				column := c.terms[s][t][start:min(start+cellSize, to)]
				c.least[s][t][i*blockCells+cell] = leastOf(column, b.ready>>(cell*cellSize)&cellMask)
			}
		}
	}
	c.ages(i)
}

// ages finds the oldest and the newest reading of a block.
func (c *columns) ages(i int) {
	b := &c.blocks[i]
	from, _ := c.slots(i)
	b.reread = false
	b.oldest, b.newest = math.MaxInt64, math.MinInt64
	for set := b.ready | b.stale; set != 0; set &= set - 1 {
		at := c.readAt[from+bits.TrailingZeros64(set)]
		b.oldest, b.newest = min(b.oldest, at), max(b.newest, at)
	}
}

// sort64 finds which nodes of a block are ready or stale, and its runs.
func (c *columns) sort64(b *block, from, to int) {
	b.ready, b.stale = 0, 0
	b.runs = b.runs[:0]
	for slot := from; slot < to; slot++ {
		switch c.health[slot] {
		case slotReady:
			b.ready |= 1 << (slot - from)
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

// tightenDirty makes the sums that do not hold any more, and the spans.
func (c *columns) tightenDirty() {
	for i := range c.blocks {
		if c.blocks[i].dirty {
			c.tighten(i)
		}
	}
	if c.spans != nil {
		return
	}
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
