package scheduler

import "fmt"

// Recompute makes the figures of a decision's candidates anew, from what the
// decision holds and nothing else: the same policy gives the same scores to
// the last bit. It fails when the decision was made by another policy.
func Recompute(p Policy, d Decision) ([]Candidate, error) {
	if p.Name != d.Policy {
		return nil, fmt.Errorf("the decision was made by policy %q, not %q", d.Policy, p.Name)
	}
	asked := Asked{
		Cpu:          cores(nanocores(d.Requests.Cpu)),
		CpuPredicted: d.CpuPredicted,
		CpuVariance:  d.CpuVariance,
		Memory:       float64(d.Requests.Memory),
		Disk:         float64(d.Requests.Disk),
	}
	var one oneNode
	list := make([]Candidate, 0, len(d.Candidates))
	for _, candidate := range d.Candidates {
		figures := candidate.Inputs.Figures()
		again := Candidate{Node: candidate.Node, Inputs: candidate.Inputs}
		for _, w := range p.Scorers {
			terms := w.Terms(&figures, d.Base)
			factors := w.Factors(&asked, figures.Capacity(), d.Base)
			cost := one.cost(w.Scorer, terms, float32(figures.CpuGroup), &factors)
			again.Components = append(again.Components, Component{Scorer: w.Name(), Score: w.Score(cost, d.Base), Weight: w.Weight})
		}
		again.Score = total(again.Components)
		list = append(list, again)
	}
	return list, nil
}
