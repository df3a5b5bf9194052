package policy

import "math"

// power raises a base to shares. Of every node that changes three such powers
// are needed; with a table and five products each takes a third of what
// math.Exp does, and is right to 10⁻¹¹ of its value, which a float32 does not
// tell from all of it.
type power struct {
	steps float64 // powerSteps·log₂ of the base
}

// powerSteps is how many entries the table has between 1 and 2.
const powerSteps = 64

// mostUse bounds a share in use so that n^share stays a float32.
const mostUse = 6

var powerTable = makePowerTable()

func makePowerTable() *[powerSteps]float64 {
	var table [powerSteps]float64
	for i := range table {
		table[i] = math.Exp2(float64(i) / powerSteps)
	}
	return &table
}

func powerOf(base float64) power { return power{steps: powerSteps * math.Log2(base)} }

// of returns the base, no less than 1, to a share from 0 to [mostUse]: what is
// no number is the most.
func (p power) of(share float64) float32 {
	switch {
	case share <= 0:
		return 1
	case !(share < mostUse):
		share = mostUse
	}
	steps := p.steps * share
	whole := int(steps)
	// 2^(rest/powerSteps) by the series of e^x; what x is below 0.011 of.
	x := (steps - float64(whole)) * (math.Ln2 / powerSteps)
	rest := 1 + float64(x*(1+float64(x*(1./2+float64(x*(1./6+float64(x*(1./24))))))))
	scale := math.Float64frombits(uint64(1023+whole/powerSteps) << 52)
	return float32(scale * powerTable[whole%powerSteps] * rest)
}
