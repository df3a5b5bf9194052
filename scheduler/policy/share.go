package policy

// asked returns which share of a capacity a demand is. A demand of nothing is
// nothing even of a capacity that is not known; anything else is all of it.
func asked(demand, capacity float64) float64 {
	switch {
	case demand == 0:
		return 0
	case capacity > 0:
		return demand / capacity
	}
	return 1
}

// percent keeps a score on the scale.
func percent(score float64) float64 {
	if score != score { // no number is never a good score
		return 0
	}
	return min(100, max(0, score))
}
