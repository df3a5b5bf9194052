package policy

import "math"

// The expected excess of a standard normal variable over z, φ(z) − z·(1 − Φ(z)),
// in a table from −excessEnd to +excessEnd. Beyond, it is 0 or −z to the last
// bit that matters. Between two entries it is taken to be a straight line,
// which is right to 10⁻⁵ of the value where that is above 10⁻⁷.
const (
	excessEnd   = 8
	excessSteps = 256 // a unit
)

var excessTable = makeExcessTable()

func makeExcessTable() *[2*excessEnd*excessSteps + 2]float32 {
	var table [2*excessEnd*excessSteps + 2]float32
	for i := range table {
		table[i] = float32(excess(float64(i)/excessSteps - excessEnd))
	}
	return &table
}

// excess is E max(0, X − z) of a standard normal X.
func excess(z float64) float64 {
	density := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
	return density - z*math.Erfc(z/math.Sqrt2)/2
}

// Overload returns the expected use beyond the whole of a node whose use is
// normal with this mean and variance, all in shares of the node.
func Overload(mean, variance float32) float32 {
	deviation := float32(math.Sqrt(float64(variance)))
	at := (1-mean)/deviation + excessEnd
	switch {
	case !(at < 2*excessEnd): // nor a number
		return 0
	case at <= 0:
		return mean - 1
	}
	at *= excessSteps
	i := int(at)
	low, high := excessTable[i], excessTable[i+1]
	return deviation * (low + float32((at-float32(i))*(high-low)))
}
