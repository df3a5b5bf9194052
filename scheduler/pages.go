package scheduler

// pages is a column for each group of tasks that ask for the same: for each
// node the sum of the deviations of its tasks of that group. Few nodes have
// tasks of any one group, so that only blocks that have some have a page.
type pages map[pageKey]*page

type pageKey struct {
	group
	block int32
}

type page struct {
	deviation [blockSize]float32
	used      uint64 // bit set of the slots that are not 0
}

// none is the page of a group that a block has no tasks of.
var none [blockSize]float32

// of returns a block's column of a group.
func (p pages) of(g group, block int) *[blockSize]float32 {
	if page := p[pageKey{g, int32(block)}]; page != nil {
		return &page.deviation
	}
	return &none
}

// write brings the columns of a node's groups up to date.
func (p pages) write(slot int, n *node) {
	k, bit := slot%blockSize, uint64(1)<<(slot%blockSize)
	for _, g := range n.groups {
		key := pageKey{g.group, int32(slot / blockSize)}
		at := p[key]
		if at == nil {
			if g.deviation == 0 {
				continue
			}
			at = &page{}
			p[key] = at
		}
		at.deviation[k] = float32(g.deviation)
		at.used &^= bit
		if g.deviation != 0 {
			at.used |= bit
		}
		if at.used == 0 {
			delete(p, key)
		}
	}
}

// deviation returns the node's sum for a group, 0 where it has none.
func (n *node) deviation(g group) float64 {
	for i := range n.groups {
		if n.groups[i].group == g {
			return n.groups[i].deviation
		}
	}
	return 0
}
