package scheduler

// worstFirst keeps the best so many nodes it is offered: once it has as many, a
// heap with the worst of them on top.
type worstFirst struct {
	list []ranked
	many int
	rank []int32
}

// worst is the key above which an offer is in vain.
func (w *worstFirst) worst() float64 {
	if len(w.list) < w.many {
		return infinity
	}
	return w.list[0].key
}

func (w *worstFirst) offer(r ranked) {
	if len(w.list) < w.many {
		w.list = append(w.list, r)
		if len(w.list) == w.many {
			for at := len(w.list)/2 - 1; at >= 0; at-- {
				w.sink(at)
			}
		}
		return
	}
	if !r.before(&w.list[0], w.rank) {
		return
	}
	w.list[0] = r
	w.sink(0)
}

func (w *worstFirst) sink(at int) {
	for {
		down := 2*at + 1
		if down >= len(w.list) {
			return
		}
		if down+1 < len(w.list) && w.list[down].before(&w.list[down+1], w.rank) {
			down++
		}
		if !w.list[at].before(&w.list[down], w.rank) {
			return
		}
		w.list[at], w.list[down] = w.list[down], w.list[at]
		at = down
	}
}

// swapBest takes the best from a heap that has one, and puts r in.
func swapBest(h []ranked, r ranked, rank []int32) ranked {
	best := h[0]
	h[0] = r
	sinkBest(h, 0, rank)
	return best
}

// popBest takes the best from a heap that has one.
func popBest(heap *[]ranked, rank []int32) ranked {
	h := *heap
	best := h[0]
	last := len(h) - 1
	h[0] = h[last]
	*heap = h[:last]
	sinkBest(h[:last], 0, rank)
	return best
}

// bestFirst makes a heap with the best on top.
func bestFirst(h []ranked, rank []int32) {
	for at := len(h)/2 - 1; at >= 0; at-- {
		sinkBest(h, at, rank)
	}
}

func sinkBest(h []ranked, at int, rank []int32) {
	for {
		down := 2*at + 1
		if down >= len(h) {
			return
		}
		if down+1 < len(h) && h[down+1].before(&h[down], rank) {
			down++
		}
		if !h[down].before(&h[at], rank) {
			return
		}
		h[at], h[down] = h[down], h[at]
		at = down
	}
}

// bounded is a block or a cell with a key that no node of it is below.
type bounded struct {
	bound float64
	at    int32 // the block; where there are both, ^ of the cell
}

// soonest makes a heap with the least bound on top.
func soonest(heap []bounded) {
	for at := len(heap)/2 - 1; at >= 0; at-- {
		sink(heap, at)
	}
}

// next takes the top from a heap that has one.
func next(heap *[]bounded) bounded {
	h := *heap
	top, last := h[0], len(h)-1
	h[0] = h[last]
	*heap = h[:last]
	sink(h[:last], 0)
	return top
}

// push puts one more into a heap.
func push(heap *[]bounded, b bounded) {
	h := append(*heap, b)
	*heap = h
	for at := len(h) - 1; at > 0; {
		up := (at - 1) / 2
		if !(h[at].bound < h[up].bound) {
			return
		}
		h[at], h[up] = h[up], h[at]
		at = up
	}
}

func sink(h []bounded, at int) {
	for {
		down := 2*at + 1
		if down >= len(h) {
			return
		}
		if down+1 < len(h) && h[down+1].bound < h[down].bound {
			down++
		}
		if !(h[down].bound < h[at].bound) {
			return
		}
		h[at], h[down] = h[down], h[at]
		at = down
	}
}
