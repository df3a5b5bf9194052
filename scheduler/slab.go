package scheduler

import "unsafe"

// pieceSize is how many bytes of memory the records of decisions are taken from
// at a time: the allocator's size for small objects that has room for some
// dozens, less the 8 that it needs itself. A piece is given back once nothing of
// it is held any more, which is why it is no longer.
const pieceSize = 4<<10 - 8

// slab gives out one value after the other of one piece of memory: a batch of
// decisions needs thousands.
type slab[T any] struct{ left []T }

// take returns a zero value that nobody else has.
func (s *slab[T]) take() *T {
	if len(s.left) == 0 {
		var one T
		s.left = make([]T, pieceSize/int(unsafe.Sizeof(one)))
	}
	taken := &s.left[0]
	s.left = s.left[1:]
	return taken
}

// row is the candidates of one decision of a batch after the other. Mostly the
// next ones are these without the first and with another at the end: then the
// decisions share them, each having its part of one piece of memory. What a
// decision was given is never written to again.
type row struct {
	at   []candidate // its capacity is what is left of the piece
	held int         // how many at its beginning are a decision's
}

// reset empties the row; what is left of the piece serves the next.
func (r *row) reset() { r.at, r.held = r.at[len(r.at):], 0 }

// give returns the row for a decision to keep.
func (r *row) give() []candidate {
	r.held = len(r.at)
	return r.at[:len(r.at):len(r.at)]
}

// drop takes the first out.
func (r *row) drop() {
	r.at = r.at[1:]
	r.held = max(0, r.held-1)
}

// insert puts a candidate at k, before those that were there.
func (r *row) insert(k int, c candidate) {
	n := len(r.at)
	if r.held <= k && n < cap(r.at) { // in place
		r.at = r.at[:n+1]
		copy(r.at[k+1:], r.at[k:n])
		r.at[k] = c
		return
	}
	next := r.at[n:cap(r.at)]
	if len(next) <= n {
		next = make([]candidate, pieceSize/int(unsafe.Sizeof(c)))
	}
	copy(next, r.at[:k])
	copy(next[k+1:n+1], r.at[k:])
	next[k] = c
	r.at, r.held = next[:n+1], 0
}
