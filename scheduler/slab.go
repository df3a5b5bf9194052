package scheduler

import "unsafe"

// slab gives out short slices of one piece of memory: a batch of decisions
// needs thousands. A piece is given back once nothing of it is held any more,
// which is why it is no longer than some dozens of decisions need.
type slab[T any] struct{ left []T }

// Pieces have as many candidates and components as fit into the sizes that the
// allocator has for small objects, 32 KiB and 4 KiB with its own 8 bytes: one
// more, and each decision takes a tenth more memory.
const (
	candidatesPiece = (32<<10 - 8) / int(unsafe.Sizeof(Candidate{}))
	slabSize        = (4<<10 - 8) / int(unsafe.Sizeof(Component{}))
)

// take returns a slice of n zero elements that nobody else has.
func (s *slab[T]) take(n int) []T {
	if len(s.left) < n {
		s.left = make([]T, max(n, slabSize))
	}
	taken := s.left[:n:n]
	s.left = s.left[n:]
	return taken
}

// row is the candidates of one decision of a batch after the other. Mostly the
// next ones are these without the first and with another at the end: then the
// decisions share them, each having its part of one piece of memory. What a
// decision was given is never written to again.
type row struct {
	at   []Candidate // its capacity is what is left of the piece
	held int         // how many at its beginning are a decision's
}

// reset empties the row; what is left of the piece serves the next.
func (r *row) reset() { r.at, r.held = r.at[len(r.at):], 0 }

// give returns the row for a decision to keep.
func (r *row) give() []Candidate {
	r.held = len(r.at)
	return r.at[:len(r.at):len(r.at)]
}

// drop takes the first out.
func (r *row) drop() {
	r.at = r.at[1:]
	r.held = max(0, r.held-1)
}

// insert makes room for a candidate at k, before those that were there, and
// returns where it is to be written.
func (r *row) insert(k int) *Candidate {
	n := len(r.at)
	if r.held <= k && n < cap(r.at) { // in place
		r.at = r.at[:n+1]
		copy(r.at[k+1:], r.at[k:n])
		return &r.at[k]
	}
	next := r.at[n:cap(r.at)]
	if len(next) <= n {
		next = make([]Candidate, candidatesPiece)
	}
	copy(next, r.at[:k])
	copy(next[k+1:n+1], r.at[k:])
	r.at, r.held = next[:n+1], 0
	return &r.at[k]
}
