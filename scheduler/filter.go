package scheduler

import (
	"math"
	"math/bits"

	"cube/worker/task"
)

// codes are the reasons in the order the filters are asked in: a node is
// counted under the first that refuses it. Stale comes last: such a node
// would fit.
var codes = [...]Code{
	RefusedDown, RefusedNoReading, RefusedDraining, RefusedByWorker, RefusedUnreachable,
	RefusedConstraint, RefusedCpu, RefusedMemory, RefusedDisk, RefusedPort, RefusedSpreadLimit, RefusedStale,
}

// reason is an index of codes.
type reason uint8

const (
	byDown reason = iota
	byNoReading
	byDraining
	byWorker
	byUnreachable
	byConstraint
	byCpu
	byMemory
	byDisk
	byPort
	bySpread
	byStale
	passes
)

// examplesShown is how many of the nodes refused for one reason a Decision
// names.
const examplesShown = 3

// refusals counts the refused by reason and remembers the first few by name.
type refusals struct {
	count    [passes]int
	examples [passes][examplesShown]int32 // slots
}

func (r *refusals) add(why reason, slot int32, rank []int32) {
	e := &r.examples[why]
	n := min(r.count[why], examplesShown)
	r.count[why]++
	i := n
	if n == examplesShown {
		i--
		if rank[slot] >= rank[e[i]] {
			return
		}
	}
	for i > 0 && rank[slot] < rank[e[i-1]] {
		e[i] = e[i-1]
		i--
	}
	e[i] = slot
}

// barred is the nodes that a demand rules out by name rather than by figures:
// few, and different from demand to demand.
type barred struct {
	set    []uint64 // by slot; nil when there is none
	reason map[*node]reason
}

func (b *barred) bar(n *node, why reason) {
	if n.slot < 0 {
		return
	}
	b.set[n.slot/blockSize] |= 1 << (n.slot % blockSize)
	if before, known := b.reason[n]; !known || why < before {
		b.reason[n] = why
	}
}

// bar finds the nodes that refused the demand before, or have one of its ports
// in use, or as many tasks of its name as they may.
func (s *State) bar(q *query) {
	q.barred.set = nil
	d := q.demand
	spread := s.cfg.SpreadLimit > 0 && d.Name != ""
	if len(d.Excluded) == 0 && len(d.HostPorts) == 0 && !spread {
		return
	}
	q.barSet = resized(q.barSet, len(s.columns.blocks))
	if q.barred.reason == nil {
		q.barred.reason = make(map[*node]reason)
	}
	clear(q.barred.reason)
	q.barred.set = q.barSet
	for i := range d.Excluded {
		if n := s.nodes[d.Excluded[i].Node]; n != nil {
			why := byWorker
			if d.Excluded[i].Code == RefusedUnreachable {
				why = byUnreachable
			}
			q.barred.bar(n, why)
		}
	}
	for _, port := range d.HostPorts {
		for n := range s.ports[port] {
			q.barred.bar(n, byPort)
		}
	}
	if spread {
		for n, tasks := range s.names[d.Name] {
			if tasks >= s.cfg.SpreadLimit {
				q.barred.bar(n, bySpread)
			}
		}
	}
}

// labelled returns the set of nodes that meet all constraints, by slot; nil
// when there are none. Sets are kept by constraint until a label changes.
func (c *columns) labelled(constraints []task.Constraint, into []uint64) []uint64 {
	if len(constraints) == 0 {
		return nil
	}
	into = resized(into, len(c.blocks))
	for i := range into {
		into[i] = math.MaxUint64
	}
	for _, constraint := range constraints {
		for i, word := range c.meeting(constraint) {
			into[i] &= word
		}
	}
	return into
}

// constraintsKept bounds how many constraints' sets are kept.
const constraintsKept = 256

func (c *columns) meeting(constraint task.Constraint) []uint64 {
	set, known := c.labels[constraint]
	if known {
		return set
	}
	set = make([]uint64, len(c.blocks))
	for slot, n := range c.nodes {
		if constraint.Met(n.Labels) {
			set[slot/blockSize] |= 1 << (slot % blockSize)
		}
	}
	if c.labels == nil || len(c.labels) >= constraintsKept {
		c.labels = make(map[task.Constraint][]uint64)
	}
	c.labels[constraint] = set
	return set
}

// filter finds who passes, and counts who does not.
func (s *State) filter(q *query, stale bool) {
	c := &s.columns
	q.passes = sized(q.passes, len(c.blocks))
	plain := !stale && q.labelled == nil && q.barred.set == nil
	for i := range c.floors {
		f := &c.floors[i]
		if plain && f.ready == math.MaxUint64 && f.has(&q.ask) {
			q.passes[i] = f.ready
			q.passed += blockSize
			continue
		}
		candidates := f.ready
		if stale {
			candidates = c.blocks[i].stale
		}
		q.passes[i] = s.pass(q, i, candidates)
		q.passed += bits.OnesCount64(q.passes[i])
	}
}

// has reports whether every node of the block that is ready has room.
func (f *floor) has(ask *[3]int64) bool {
	return ask[0] <= f.room[0] && ask[1] <= f.room[1] && ask[2] <= f.room[2]
}

// pass returns which nodes of block i among the candidates pass the filters.
// Those that do not are counted.
func (s *State) pass(q *query, i int, candidates uint64) uint64 {
	c := &s.columns
	from, to := c.slots(i)
	all := uint64(math.MaxUint64) >> (blockSize - (to - from))
	passed := candidates
	if q.labelled != nil {
		passed &= q.labelled[i]
	}
	if q.barred.set != nil {
		passed &^= q.barred.set[i]
	}
	if candidates != c.floors[i].ready || !s.allHaveRoom(q, i) {
		q.filtered += to - from
		cpu, memory, disk := c.room[0][from:to], c.room[1][from:to], c.room[2][from:to]
		for set := passed; set != 0; set &= set - 1 {
			k := bits.TrailingZeros64(set)
			if q.ask[0] > cpu[k] || q.ask[1] > memory[k] || q.ask[2] > disk[k] {
				passed &^= 1 << k
			}
		}
	}
	for set := all &^ passed; set != 0; set &= set - 1 {
		slot := int32(from + bits.TrailingZeros64(set))
		q.refused.add(s.refuse(q, slot), slot, c.rank)
	}
	return passed
}

// allHaveRoom reports whether every node of the block that is ready has room
// for what is asked.
func (s *State) allHaveRoom(q *query, i int) bool {
	c := &s.columns
	f := &c.floors[i]
	if f.has(&q.ask) {
		return true
	}
	if c.blocks[i].loose < looseEnough {
		return false
	}
	c.measure(i)
	return f.has(&q.ask)
}

// refuse returns the first reason to refuse the node of a slot. One that only
// its old reading speaks against is refused as stale.
func (s *State) refuse(q *query, slot int32) reason {
	c := &s.columns
	switch c.health[slot] {
	case slotDown:
		return byDown
	case slotUnread:
		return byNoReading
	case slotDraining:
		return byDraining
	}
	word, bit := slot/blockSize, uint64(1)<<(slot%blockSize)
	why := passes
	if q.barred.set != nil && q.barred.set[word]&bit != 0 {
		why = q.barred.reason[c.nodes[slot]]
	}
	switch {
	case why <= byUnreachable:
		return why
	case q.labelled != nil && q.labelled[word]&bit == 0:
		return byConstraint
	case q.ask[0] > c.room[0][slot]:
		return byCpu
	case q.ask[1] > c.room[1][slot]:
		return byMemory
	case q.ask[2] > c.room[2][slot] && c.nodes[slot].lacksDisk():
		return byNoReading
	case q.ask[2] > c.room[2][slot]:
		return byDisk
	case why < passes:
		return why
	}
	return byStale
}
