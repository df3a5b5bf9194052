package scheduler

// ranked is a node with its place in the order: by key, then by tie, then by
// name.
type ranked struct {
	key  float64 // lower is better
	tie  uint64
	slot int32
}

// best keeps the first few of the nodes it is offered.
type best struct {
	list [Shown]ranked
	n    int // how many there are
	room int // how many there may be
}

func (b *best) reset(room int) { b.n, b.room = 0, room }

// worst is the key above which an offer is in vain.
func (b *best) worst() float64 {
	if b.n < b.room {
		return infinity
	}
	return b.list[b.n-1].key
}

// offer puts r where it belongs, if it does.
func (b *best) offer(r ranked, rank []int32) {
	i := b.n
	if b.n == b.room {
		i--
		if !r.before(&b.list[i], rank) {
			return
		}
	} else {
		b.n++
	}
	for i > 0 && r.before(&b.list[i-1], rank) {
		b.list[i] = b.list[i-1]
		i--
	}
	b.list[i] = r
}

// before reports whether r comes before o.
func (r *ranked) before(o *ranked, rank []int32) bool {
	if r.key != o.key {
		return r.key < o.key
	}
	if r.tie != o.tie {
		return r.tie < o.tie
	}
	return rank[r.slot] < rank[o.slot]
}
