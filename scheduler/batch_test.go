package scheduler_test

import (
	"reflect"
	"testing"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// A batch is decided as one after the other would be.
func TestBatchIsOneByOne(t *testing.T) {
	specs := append(policy.Names(), "measured=2,epvm=1")
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) {
			cfg := scheduler.Config{Policy: policyOf(t, spec), SpreadLimit: 3}
			for _, nodes := range []int{8, 150} { // too few for all, and enough
				batch, single := newChaos(t, cfg, 5, nodes), newChaos(t, cfg, 5, nodes)
				batch.cpu, single.cpu = true, true
				batch.spread, single.spread = nodes/3, nodes/3 // of 8 nodes by next to nothing, of 150 by an eighth
				for range 10 * nodes {
					batch.step()
					single.step()
				}
				checkBatch(t, batch, single, alikes())
			}
		})
	}
}

func checkBatch(t *testing.T, batch, single *chaos, demands []scheduler.Demand) {
	t.Helper()
	got := batch.state.DecideBatch(at(batch.now), demands, 9)
	for i, d := range demands {
		want := single.state.Decide(at(single.now), d, 9).Decision()
		if want.Node != "" {
			place(t, single.state, scheduler.Placement{Demand: d, Node: want.Node, At: at(single.now), StartTime: scheduler.Absent()})
		}
		if got := got[i].Decision(); !reflect.DeepEqual(got, want) {
			t.Fatalf("decision %d in the batch:\n%+v\nalone:\n%+v", i, got, want)
		}
	}
}

// alikes are demands of a few kinds, each many times.
func alikes() []scheduler.Demand {
	var list []scheduler.Demand
	for kind := range 3 {
		for i := range 150 {
			d := demand(1<<20+kind<<8+i, 0.3+float64(kind)*2, gib<<kind)
			if kind == 1 {
				d.Name = "name7"
			}
			list = append(list, d)
		}
	}
	return list
}
