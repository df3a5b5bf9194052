package simulate

import "cube/scheduler"

// readingPolicies are two policies that are no policies of Cube's, since they
// are worse than all that measure: yardsticks for what promises are worth.
func readingPolicies() []scheduler.Policy {
	return []scheduler.Policy{
		{Name: "last-reading", Scorers: []scheduler.WeightedScorer{{Scorer: leastUsed{}, Weight: 1}}},
		{Name: "reading-promises", Scorers: []scheduler.WeightedScorer{{Scorer: leastUsed{promises: true}, Weight: 1}}},
	}
}

// leastUsed takes the node with the least share of its CPU in use: by the last
// reading, or with what was placed since.
type leastUsed struct{ promises bool }

// Name is that of the policy.
func (l leastUsed) Name() string {
	if l.promises {
		return "reading-promises"
	}
	return "last-reading"
}

// Traits: the cost is the share.
func (leastUsed) Traits() scheduler.Traits { return scheduler.Traits{Terms: 1, Monotone: true} }

// Terms are the share in use.
func (l leastUsed) Terms(n *scheduler.Figures, _ float64, into *scheduler.Terms) {
	into[0] = float32(scheduler.Share(n.CpuUsage, 1))
	if l.promises {
		into[0] = float32(scheduler.Share(n.CpuExpected, n.CpuCores))
	}
}

// Factors are the share that the demand will use; nothing to the reading alone.
func (l leastUsed) Factors(d *scheduler.Asked, c scheduler.Capacity, _ float64) scheduler.Factors {
	if l.promises && c.CpuCores > 0 {
		return scheduler.Factors{float32(d.CpuPredicted / c.CpuCores)}
	}
	return scheduler.Factors{}
}

// Costs are the shares with the demand there.
func (leastUsed) Costs(t *scheduler.Columns, f *scheduler.Factors, out []float32) {
	shares := t.Of(0, len(out))
	for i := range out {
		out[i] = shares[i] + f[0]
	}
}

// Score falls with the share.
func (leastUsed) Score(cost float32, _ float64) float64 { return 100 / (1 + max(0, float64(cost))) }
