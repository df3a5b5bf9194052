package scheduler_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// A decision read back from JSON gives the figures it was made of.
func TestRecomputeGivesTheSameFigures(t *testing.T) {
	for _, spec := range append(policy.Names(), "epvm=2,spread=1", "measured=3,binpack=1,risk=0.5") {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 20)
			for i := range 20 {
				r := reading(nodeName(i), 0)
				r.CpuUsage = float64(i) / 23
				r.MemoryAvailable -= float64(i*i) * gib / 3
				observe(t, s, r)
			}
			p, err := policy.New(spec)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				d := demand(i, 0.1+float64(i%7), 3*gib)
				made := s.Decide(at(2), d, uint64(i)).Decision()
				place(t, s, scheduler.Placement{Demand: d, Node: made.Node, At: at(2), StartTime: scheduler.Absent()})
				stored, err := json.Marshal(made)
				if err != nil {
					t.Fatal(err)
				}
				var back scheduler.Decision
				if err := json.Unmarshal(stored, &back); err != nil {
					t.Fatal(err)
				}
				again, err := scheduler.Recompute(p, back)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(again, made.Candidates) {
					t.Fatalf("decision %d recomputed:\n%+v\nwas\n%+v", i, again, made.Candidates)
				}
				for k := 1; k < len(again); k++ {
					if len(again[k].Components) > 1 && again[k].Score > again[k-1].Score {
						t.Fatalf("decision %d: candidate %d scores %v, above the one before, %v", i, k, again[k].Score, again[k-1].Score)
					}
				}
			}
		})
	}
}

func TestRecomputeRefusesAnotherPolicy(t *testing.T) {
	p, err := policy.New("spread")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scheduler.Recompute(p, scheduler.Decision{Policy: "epvm"}); err == nil {
		t.Error("a decision of epvm was recomputed by spread")
	}
}
