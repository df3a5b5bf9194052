package policy

import "cube/scheduler"

// TargetUse is the CPU use in percent that Target packs nodes up to: the
// default of Trimaran's TargetUtilization.
const TargetUse = 40

// Target packs nodes up to a target of CPU use and spreads above it: with
// p = 100·(use + predicted use of the task)/cores and T the target,
//
//	score = T + (100 − T)·p/T        p ≤ T
//	        T·(100 − p)/(100 − T)    T < p ≤ 100
//	        0                        above
//
// Source: Kubernetes scheduler-plugins, pkg/trimaran/targetloadpacking. Nodes
// above 100 % all score 0; among them the least used goes first.
type Target struct{}

// Name is "target".
func (Target) Name() string { return "target" }

// Traits: the cost falls up to the target and rises above.
func (Target) Traits() scheduler.Traits { return scheduler.Traits{Terms: 1} }

// Terms are the CPU use in percent.
func (Target) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	into[0] = float32(100 * scheduler.Share(n.CpuExpected, n.CpuCores))
}

// Factors are the predicted use in percent of the node.
func (Target) Factors(d *scheduler.Asked, c scheduler.Capacity, _ float64) scheduler.Factors {
	return scheduler.Factors{float32(100 * asked(d.CpuPredicted, c.CpuCores))}
}

// Costs are 100 − score, and p itself above 100 %.
func (Target) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	const target = TargetUse
	use := t.Of(0, len(out))
	for i := range out {
		p := use[i] + f[0]
		switch {
		case p <= target:
			out[i] = (100 - target) - float32((100-target)*p)/target
		case p <= 100:
			out[i] = 100 - float32(target*(100-p))/(100-target)
		default:
			out[i] = p
		}
	}
}

// Score is as the type says.
func (Target) Score(cost float32, _ float64) float64 { return percent(100 - float64(cost)) }

// Risk prefers the node whose use is low and steady: with μ the share in use
// with the demand there and σ the standard deviation of the share over the last
// readings,
//
//	score = least over CPU and memory of 100·(1 − (μ + σ)/2)
//
// Source: Kubernetes scheduler-plugins, pkg/trimaran/loadvariationriskbalancing,
// with its default margin and sensitivity of 1. There μ and σ end at 1; here
// more goes on to cost more.
type Risk struct{}

// Name is "risk".
func (Risk) Name() string { return "risk" }

// Traits: the cost rises with use and deviation.
func (Risk) Traits() scheduler.Traits {
	return scheduler.Traits{Terms: 2, Monotone: true, Capacity: scheduler.Falls}
}

// Terms are share in use plus deviation, of CPU and memory.
func (Risk) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	into[0] = float32(scheduler.Share(n.CpuExpected, n.CpuCores) + n.CpuDeviation)
	into[1] = float32(scheduler.Share(n.MemoryExpected, n.MemoryTotal) + n.MemoryDeviation)
}

// Factors are the shares asked for.
func (Risk) Factors(d *scheduler.Asked, c scheduler.Capacity, _ float64) scheduler.Factors {
	return scheduler.Factors{float32(asked(d.CpuPredicted, c.CpuCores)), float32(asked(d.Memory, c.MemoryTotal))}
}

// Costs are (μ + σ)/2 of the resource where it is larger.
func (Risk) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	cpu, memory := t.Of(0, len(out)), t.Of(1, len(out))
	for i := range out {
		out[i] = max(cpu[i]+f[0], memory[i]+f[1]) / 2
	}
}

// Score is as the type says.
func (Risk) Score(cost float32, _ float64) float64 { return percent(100 * (1 - float64(cost))) }
