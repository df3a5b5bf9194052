package scheduler

// slab gives out short slices of one piece of memory: a batch of decisions
// needs thousands. A piece is given back once nothing of it is held any more,
// which is why it is no longer than some dozens of decisions need.
type slab[T any] struct{ left []T }

// slabSize is how many elements a piece has.
const slabSize = 32 * Shown

// take returns a slice of n zero elements that nobody else has.
func (s *slab[T]) take(n int) []T {
	if len(s.left) < n {
		s.left = make([]T, max(n, slabSize))
	}
	taken := s.left[:n:n]
	s.left = s.left[n:]
	return taken
}
