package scheduler

// used tells which terms of a scorer's are of more than zeros: the others are
// no part of a cost.
func (c *columns) used() (terms [][]float32, least int) {
	for s := range c.terms {
		for t, column := range c.terms[s] {
			for _, v := range column {
				if v != 0 {
					terms = append(terms, column)
					least += len(c.least[s][t])
					break
				}
			}
		}
	}
	return terms, least
}

// Summing returns what reads once all that a decision may look at of every node,
// the room that is left and the terms of the costs, and how many bytes that is.
func (s *State) Summing() (bytes int, sum func() float64) {
	c := &s.columns
	terms, _ := c.used()
	for _, column := range c.room {
		bytes += 8 * len(column)
	}
	for _, column := range terms {
		bytes += 4 * len(column)
	}
	return bytes, func() (sum float64) {
		for _, column := range c.room {
			sum += float64(sumOf(column))
		}
		for _, column := range terms {
			sum += float64(sumOf(column))
		}
		return sum
	}
}

// sumOf adds up a column, four sums at a time so that none waits for another.
func sumOf[T int64 | float32](column []T) T {
	var a, b, c, d T
	for ; len(column) >= 4; column = column[4:] {
		a, b, c, d = a+column[0], b+column[1], c+column[2], d+column[3]
	}
	return a + b + c + d
}

// BytesLookedAt is what the last decision read at the least: every cell's
// bounds, every block's least room, and the terms of the nodes of those cells
// that the bounds did not rule out.
func (s *State) BytesLookedAt() int {
	c, q := &s.columns, &s.scratch
	terms, least := c.used()
	bytes := 4*least + 24*len(c.blocks)
	for cell, bound := range q.bounds {
		if !(bound > q.best.worst()) {
			bytes += 4 * len(terms) * min(cellSize, max(0, len(c.nodes)-cell*cellSize))
		}
	}
	return bytes
}
