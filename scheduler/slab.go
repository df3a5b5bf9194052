package scheduler

import "unsafe"

// pieceSize is how many bytes of memory the records of decisions are taken from
// at a time: the allocator's size for small objects that has room for some
// dozens, less the 8 that it needs itself. A piece is given back once nothing of
// it is held any more, which is why it is no longer.
const pieceSize = 4<<10 - 8

// slab gives out one value after the other of one piece of memory: a batch of
// decisions needs thousands. It counts what it gave: to keep what is left would be
// to write a pointer each time.
type slab[T any] struct {
	piece []T
	given int
}

// take returns a zero value that nobody else has.
func (s *slab[T]) take() *T {
	if s.given == len(s.piece) {
		var one T
		s.piece, s.given = make([]T, pieceSize/int(unsafe.Sizeof(one))), 0
	}
	s.given++
	return &s.piece[s.given-1]
}

// row is the candidates of one decision of a batch after the other. Mostly the
// next ones are these without the first and with another at the end: then the
// decisions share them, each having its part of one piece of memory. What a
// decision was given is never written to again.
type row struct {
	piece    []candidate
	from, to int // where in the piece the row is
	held     int // to where the piece is decisions'
}

// reset empties the row; what is left of the piece serves the next.
func (r *row) reset() { r.from, r.held = r.to, r.to }

// give returns the row for a decision to keep.
func (r *row) give() []candidate {
	r.held = r.to
	return r.piece[r.from:r.to:r.to]
}

// drop takes the first out.
func (r *row) drop() { r.from++ }

// insert puts a candidate at k, before those that were there.
func (r *row) insert(k int, c candidate) {
	before := r.piece[r.from:r.to]
	n := len(before)
	if r.held > r.from+k || r.to == len(r.piece) { // not in place
		r.from = r.to
		if len(r.piece)-r.from <= n {
			r.piece, r.from = make([]candidate, pieceSize/int(unsafe.Sizeof(c))), 0
		}
		r.held = r.from
		copy(r.piece[r.from:], before[:k])
	}
	r.to = r.from + n + 1
	after := r.piece[r.from:r.to]
	copy(after[k+1:], before[k:])
	after[k] = c
}
