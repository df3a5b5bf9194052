package scheduler

import "math"

// splitter orders nodes of one capacity so that those of a block, and even more
// those of a cell, are alike in all their terms: halves, and halves of halves,
// each by the term that makes the most difference to what an ordinary demand
// costs (a k-d tree: Bentley 1975).
type splitter struct {
	scorer  Scorer
	factors Factors
	one     oneNode
}

// split orders the nodes that begin at slot from.
func (s *splitter) split(places []place, from int) {
	for len(places) > cellSize {
		unit := cellSize
		if len(places) > 2*blockSize {
			unit = blockSize
		}
		half := (from+len(places)/2+unit-1)/unit*unit - from
		if half >= len(places) {
			half -= unit
		}
		if half <= 0 {
			return
		}
		choose(places, half, s.widest(places))
		s.split(places[:half], from)
		places, from = places[half:], from+half
	}
}

// widest returns the term that makes the most difference.
func (s *splitter) widest(places []place) int {
	least, most := places[0].terms, places[0].terms
	for i := range places {
		for t, v := range places[i].terms {
			least[t], most[t] = min(least[t], v), max(most[t], v)
		}
	}
	s.one.terms = least
	corner := s.one.cost(s.scorer, 0, &s.factors)
	at, widest := 0, float32(-1)
	for t := range least {
		if least[t] == most[t] {
			continue
		}
		s.one.terms[t] = most[t]
		width := float32(math.Abs(float64(s.one.cost(s.scorer, 0, &s.factors) - corner)))
		s.one.terms[t] = least[t]
		if width > widest {
			at, widest = t, width
		}
	}
	return at
}

// choose puts the n nodes with the least of a term first (quickselect: Hoare
// 1961).
func choose(places []place, n, term int) {
	for len(places) > 1 {
		pivot := middle(&places[0], &places[len(places)/2], &places[len(places)-1], term)
		i, j := 0, len(places)-1
		for i <= j {
			for places[i].before(&pivot, term) {
				i++
			}
			for pivot.before(&places[j], term) {
				j--
			}
			if i <= j {
				places[i], places[j] = places[j], places[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			places = places[:j+1]
		case n >= i:
			places, n = places[i:], n-i
		default:
			return
		}
	}
}

// middle returns the second of three.
func middle(a, b, c *place, term int) place {
	if b.before(a, term) {
		a, b = b, a
	}
	switch {
	case c.before(a, term):
		return *a
	case c.before(b, term):
		return *c
	}
	return *b
}

func (p *place) before(o *place, term int) bool {
	if p.terms[term] != o.terms[term] {
		return p.terms[term] < o.terms[term]
	}
	return p.rank < o.rank
}
