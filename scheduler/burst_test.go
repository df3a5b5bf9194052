package scheduler_test

import (
	"testing"

	"cube/scheduler/policy"
)

// burst places tasks of 0.25 core within one scrape interval, and counts where
// they went.
func TestBurstBetweenScrapesDoesNotHerd(t *testing.T) {
	for _, spec := range []string{"spread", "epvm", "risk", "measured", "least-allocated", "epvm=2,spread=1"} {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			for i := range 10 {
				observe(t, s, reading(nodeName(i), 0))
			}
			counts := make(map[string]int)
			for i := range 1000 {
				counts[put(t, s, at(float64(i)/250), demand(i, 0.25, 1<<20), uint64(i))]++
			}
			for i := range 10 {
				if n := counts[nodeName(i)]; n < 99 || n > 101 {
					t.Errorf("node %s got %d of 1000 tasks, want 100 ± 1", nodeName(i), n)
				}
			}
		})
	}
}

func TestBurstGoesRoundTheBusyNode(t *testing.T) {
	for _, spec := range []string{"spread", "epvm", "risk", "measured"} {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 10)
			for i := range 10 {
				r := reading(nodeName(i), 0)
				if i == 0 {
					r.CpuUsage = 0.6
				}
				observe(t, s, r)
			}
			counts := make(map[string]int)
			for i := range 1000 {
				counts[put(t, s, at(float64(i)/250), demand(i, 0.25, 1<<20), uint64(i))]++
			}
			for i := range 10 {
				want := 108
				if i == 0 {
					want = 31
				}
				if n := counts[nodeName(i)]; n < want-1 || n > want+1 {
					t.Errorf("node %s got %d of 1000 tasks, want %d ± 1", nodeName(i), n, want)
				}
			}
		})
	}
}

// Everything the registry names can be built, and places.
func TestEveryPolicyPlaces(t *testing.T) {
	for _, spec := range policy.Names() {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 3)
			for i := range 3 {
				observe(t, s, reading(nodeName(i), 0))
			}
			for i := range 30 {
				put(t, s, at(1), demand(i, 0.5, gib), uint64(i))
			}
		})
	}
}
