package policy

import (
	"math"

	"cube/scheduler"
)

// EPVM prices a placement by its opportunity cost: how much the sum over the
// resources of n^(share in use) rises,
//
//	cost = Σ_r n^(use_r/capacity_r + demand_r/capacity_r) − n^(use_r/capacity_r)
//
// over CPU, memory and disk, n = max(2, nodes up). A resource close to its
// capacity is dear, so that work goes where all of them have room.
//
// Source: Amir, Awerbuch, Barak, Borgstrom, Keren: An Opportunity Cost Approach
// for Job Assignment in a Scalable Computing Cluster, IEEE TPDS 11(7), 2000
// (E-PVM).
//
// The score falls with the logarithm of the cost, which grows like the share in
// use: 100·(1 − ln(1 + cost)/ln(1 + 3(n − 1))), 3(n − 1) being the cost of
// filling an empty node in one step.
type EPVM struct {
	// What follows from a base, if it is known before: its logarithm, that of
	// 1 and the cost of filling an empty node, and its powers.
	base, log, most float64
	power           power
}

// OfBase has the logarithms of the base ready.
func (EPVM) OfBase(base float64) scheduler.Scorer { return epvmOf(base) }

func epvmOf(base float64) EPVM {
	return EPVM{base: base, log: math.Log(base), most: math.Log1p(3 * (base - 1)), power: powerOf(base)}
}

func (e *EPVM) ready(base float64) {
	if e.base != base {
		*e = epvmOf(base)
	}
}

// Name is "epvm".
func (EPVM) Name() string { return "epvm" }

// Traits: the cost rises with every share in use, and depends on n.
func (EPVM) Traits() scheduler.Traits {
	return scheduler.Traits{Terms: 3, Monotone: true, Based: true, Capacity: scheduler.Falls}
}

// Terms are n^(share in use) of CPU, memory and disk.
func (e EPVM) Terms(n *scheduler.Figures, base float64, into *scheduler.Terms) {
	e.ready(base)
	into[0] = e.power.of(scheduler.Share(n.CpuExpected, n.CpuCores))
	into[1] = e.power.of(scheduler.Share(n.MemoryExpected, n.MemoryTotal))
	into[2] = e.power.of(scheduler.Share(n.DiskExpected, n.DiskLimit))
}

// Factors are n^(share asked for) − 1.
func (e EPVM) Factors(d *scheduler.Asked, c scheduler.Capacity, base float64) scheduler.Factors {
	e.ready(base)
	rise := func(demand, capacity float64) float32 {
		return float32(math.Expm1(e.log * asked(demand, capacity)))
	}
	return scheduler.Factors{
		rise(d.CpuPredicted, c.CpuCores),
		rise(d.Memory, c.MemoryTotal),
		rise(d.Disk, c.DiskLimit),
	}
}

// Costs: n^(u+d) − n^u = n^u·(n^d − 1).
func (EPVM) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	cpu, memory, disk := t.Of(0, len(out)), t.Of(1, len(out)), t.Of(2, len(out))
	for i := range out {
		out[i] = float32(cpu[i]*f[0]) + float32(memory[i]*f[1]) + float32(disk[i]*f[2])
	}
}

// Score is as the type says.
func (e EPVM) Score(cost float32, base float64) float64 {
	e.ready(base)
	return percent(100 * (1 - math.Log1p(float64(cost))/e.most))
}
