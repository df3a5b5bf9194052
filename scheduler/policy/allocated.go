package policy

import "cube/scheduler"

// LeastAllocated prefers the node with the most left to promise:
//
//	score = mean over CPU and memory of 100·(limit − promised − demand)/limit
//
// Source: Kubernetes, pkg/scheduler/framework/plugins/noderesources/
// least_allocated.go, with its default weights (which rounds down at each
// step; here nothing is rounded). It looks at requests alone: the yardstick for
// policies that measure.
type LeastAllocated struct{}

// Name is "least-allocated".
func (LeastAllocated) Name() string { return "least-allocated" }

// Traits: the cost rises with the shares promised.
func (LeastAllocated) Traits() scheduler.Traits {
	return scheduler.Traits{Terms: 1, Monotone: true, Capacity: scheduler.Falls}
}

// Terms are the shares promised of CPU and memory, added up.
func (LeastAllocated) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	into[0] = float32(scheduler.Share(n.CpuPromised, n.CpuLimit)) + float32(scheduler.Share(n.MemoryPromised, n.MemoryLimit))
}

// Factors are the shares asked for.
func (LeastAllocated) Factors(d *scheduler.Asked, c scheduler.Capacity, _ float64) scheduler.Factors {
	return scheduler.Factors{float32(asked(d.Cpu, c.CpuLimit)), float32(asked(d.Memory, c.MemoryLimit))}
}

// Costs are the mean shares promised with the demand there.
func (LeastAllocated) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	meanShare(t, f[0]+f[1], out)
}

// Score is as the type says.
func (LeastAllocated) Score(cost float32, _ float64) float64 {
	return percent(100 * (1 - float64(cost)))
}

// MostAllocated prefers the node with the least left to promise:
//
//	score = mean over CPU and memory of 100·(promised + demand)/limit
//
// Source: Kubernetes, pkg/scheduler/framework/plugins/noderesources/
// most_allocated.go, with its default weights.
type MostAllocated struct{}

// Name is "most-allocated".
func (MostAllocated) Name() string { return "most-allocated" }

// Traits: the cost rises with the shares that are free.
func (MostAllocated) Traits() scheduler.Traits {
	return scheduler.Traits{Terms: 1, Monotone: true, Capacity: scheduler.Rises}
}

// Terms are the shares left of CPU and memory, added up.
func (MostAllocated) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	into[0] = float32(1-scheduler.Share(n.CpuPromised, n.CpuLimit)) + float32(1-scheduler.Share(n.MemoryPromised, n.MemoryLimit))
}

// Factors are the shares asked for.
func (MostAllocated) Factors(d *scheduler.Asked, c scheduler.Capacity, _ float64) scheduler.Factors {
	return scheduler.Factors{float32(asked(d.Cpu, c.CpuLimit)), float32(asked(d.Memory, c.MemoryLimit))}
}

// Costs are the mean shares left with the demand there.
func (MostAllocated) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	meanShare(t, -f[0]-f[1], out)
}

// Score is as the type says.
func (MostAllocated) Score(cost float32, _ float64) float64 {
	return percent(100 * (1 - float64(cost)))
}

// meanShare writes the mean of two shares, of which the term is the sum, and what
// comes to them in all.
func meanShare(t *scheduler.Columns, more float32, out []float32) {
	both := t.Of(0, len(out))
	for i := range out {
		out[i] = (both[i] + more) / 2
	}
}
