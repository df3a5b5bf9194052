package policy

import (
	"math"

	"cube/scheduler"
)

// Spread prefers the node that stays emptiest by use, the product of its free
// shares counting more than their sum:
//
//	score = 100·(10^freeCPU + 10^freeMemory − 2)/18
//
// free being the share left once the demand is there: 1 − (use + demand)/capacity.
//
// Source: Nomad, nomad/structs/funcs.go, ScoreFitSpread. Nomad reckons with
// reservations; here the shares are of expected use, since a node can be busy
// with what nobody asked for.
type Spread struct{}

// Name is "spread".
func (Spread) Name() string { return "spread" }

// Traits: the cost rises with the shares in use.
func (Spread) Traits() scheduler.Traits {
	return scheduler.Traits{Terms: 2, Monotone: true, Capacity: scheduler.Falls}
}

// Terms are −10^free of CPU and memory as the node is.
func (Spread) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	into[0] = float32(-math.Pow(10, 1-scheduler.Share(n.CpuExpected, n.CpuCores)))
	into[1] = float32(-math.Pow(10, 1-scheduler.Share(n.MemoryExpected, n.MemoryTotal)))
}

// Factors are 10^−(share asked for).
func (Spread) Factors(d *scheduler.Asked, c scheduler.Capacity, _ float64) scheduler.Factors {
	return scheduler.Factors{
		float32(math.Pow(10, -asked(d.CpuPredicted, c.CpuCores))),
		float32(math.Pow(10, -asked(d.Memory, c.MemoryTotal))),
	}
}

// Costs are −(10^freeCPU + 10^freeMemory).
func (Spread) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	twoProducts(t, f, out)
}

// Score is as the type says.
func (Spread) Score(cost float32, _ float64) float64 {
	return percent(100 * (-float64(cost) - 2) / 18)
}

// BinPack prefers the node that gets fullest by what was promised, so that
// whole nodes stay free:
//
//	score = 100·(20 − 10^freeCPU − 10^freeMemory)/18
//
// free being the share of what may be promised that is left once the demand is
// there.
//
// Source: Nomad, nomad/structs/funcs.go, ScoreFitBinPack, after Google's
// "BestFit v3".
type BinPack struct{}

// Name is "binpack".
func (BinPack) Name() string { return "binpack" }

// Traits: the cost rises with the shares that are free.
func (BinPack) Traits() scheduler.Traits {
	return scheduler.Traits{Terms: 2, Monotone: true, Capacity: scheduler.Rises}
}

// Terms are 10^free of CPU and memory as the node is.
func (BinPack) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	into[0] = float32(math.Pow(10, 1-scheduler.Share(n.CpuPromised, n.CpuLimit)))
	into[1] = float32(math.Pow(10, 1-scheduler.Share(n.MemoryPromised, n.MemoryLimit)))
}

// Factors are 10^−(share asked for).
func (BinPack) Factors(d *scheduler.Asked, c scheduler.Capacity, _ float64) scheduler.Factors {
	return scheduler.Factors{
		float32(math.Pow(10, -asked(d.Cpu, c.CpuLimit))),
		float32(math.Pow(10, -asked(d.Memory, c.MemoryLimit))),
	}
}

// Costs are 10^freeCPU + 10^freeMemory.
func (BinPack) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	twoProducts(t, f, out)
}

// Score is as the type says.
func (BinPack) Score(cost float32, _ float64) float64 {
	return percent(100 * (20 - float64(cost)) / 18)
}

// twoProducts writes the sum of two terms, each by its factor.
func twoProducts(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	a, b := t.Of(0, len(out)), t.Of(1, len(out))
	for i := range out {
		out[i] = float32(a[i]*f[0]) + float32(b[i]*f[1])
	}
}
