package scheduler_test

import (
	"testing"

	"cube/scheduler"
	"cube/worker/task"
)

// The book compared a node's disk in one unit with a task's in another. Here
// both are bytes: one byte too many is refused, and as many as there are fit.
func TestDiskIsComparedInOneUnit(t *testing.T) {
	r := reading("n00", 0)
	r.DiskTotal, r.DiskAvailable, r.AllocatableDisk = 100<<30, 60<<30, 100<<30
	for _, test := range []struct {
		asked task.Bytes
		fits  bool
	}{{60 << 30, true}, {60<<30 + 1, false}, {61 << 20, true}} {
		s := newState(t, "epvm", 1)
		observe(t, s, r)
		d := demand(1, 0.1, gib)
		d.Requests.Disk = test.asked
		made := s.Decide(at(1), d, 1).Decision()
		if (made.Node == "n00") != test.fits {
			t.Errorf("a task that asks for %d of %d bytes: placed on %q, refused %+v", test.asked, 60<<30, made.Node, made.Refused)
		}
		if !test.fits && made.Refused[0].Code != scheduler.RefusedDisk {
			t.Errorf("refused for %s; want disk", made.Refused[0].Code)
		}
	}
}

// The book had no filter for CPU or memory: a task went to a node that could
// not hold it.
func TestCpuAndMemoryAreFilters(t *testing.T) {
	for name, test := range map[string]struct {
		demand scheduler.Demand
		code   scheduler.Code
	}{
		"CPU":    {demand(1, 1e6, gib), scheduler.RefusedCpu},
		"memory": {demand(1, 0.1, 1<<50), scheduler.RefusedMemory},
	} {
		s := newState(t, "spread", 1)
		observe(t, s, reading("n00", 0))
		made := s.Decide(at(1), test.demand, 1).Decision()
		if made.Node != "" || len(made.Refused) != 1 || made.Refused[0].Code != test.code || made.Refused[0].Examples[0].Reason == "" {
			t.Errorf("%s: placed on %q, refused %+v; want refused for %s, with a reason", name, made.Node, made.Refused, test.code)
		}
	}
}
