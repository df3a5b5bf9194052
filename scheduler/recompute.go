package scheduler

import (
	"fmt"

	"cube/worker/task"
)

// Recompute makes the figures of a decision's candidates anew, from what the
// decision holds and nothing else: the same policy gives the same scores to
// the last bit. It fails when the decision was made by another policy.
func Recompute(p Policy, d Decision) ([]Candidate, error) {
	if p.Name != d.Policy {
		return nil, fmt.Errorf("the decision was made by policy %q, not %q", d.Policy, p.Name)
	}
	asked := askedOf(d.Requests, estimate{d.CpuPredicted, d.CpuVariance})
	list := make([]Candidate, 0, len(d.Candidates))
	for _, candidate := range d.Candidates {
		again := Candidate{Node: candidate.Node, Inputs: candidate.Inputs}
		for _, w := range p.Scorers {
			cost := costOf(w.Scorer, &candidate.Inputs, &asked, d.Base)
			again.Components = append(again.Components, Component{Scorer: w.Name(), Score: w.Score(cost, d.Base), Weight: w.Weight})
		}
		again.Score = total(again.Components)
		list = append(list, again)
	}
	return list, nil
}

// askedOf is a demand as the scorers see it.
func askedOf(r task.Resources, expects estimate) Asked {
	return Asked{
		Cpu:          cores(nanocores(r.Cpu)),
		CpuPredicted: expects.mean,
		CpuVariance:  expects.variance,
		Memory:       float64(r.Memory),
		Disk:         float64(r.Disk),
	}
}

// costOf returns what a scorer makes of a node's figures.
func costOf(scorer Scorer, in *Inputs, asked *Asked, base float64) float32 {
	var one oneNode
	figures := in.Figures()
	factors := scorer.Factors(asked, figures.Capacity(), base)
	scorer.Terms(&figures, base, &one.terms)
	return one.cost(scorer, float32(figures.CpuGroup), &factors)
}
