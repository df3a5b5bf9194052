package scheduler_test

import (
	"testing"

	"cube/scheduler"
)

// A decision takes the memory of its record: one piece for the candidates, and
// where nodes were refused one each for counts, examples and sentences.
func TestDecideTakesMemoryForItsRecordAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		demand scheduler.Demand
		most   float64
	}{
		{"all fit", demand(1, 0.5, gib), 1},
		{"some are refused for memory, some for CPU", demand(2, 30, 100*gib), 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newState(t, "epvm", 200)
			for i := range 200 {
				r := reading(nodeName(i), 1)
				switch i % 3 {
				case 1:
					r.MemoryAvailable = 50 * gib
				case 2:
					r.AllocatableCpu = 10
				}
				observe(t, s, r)
			}
			made := s.Decide(at(2), c.demand, 1).Decision()
			if len(made.Candidates) != scheduler.Shown || len(made.Refused) != int(c.most)/2 {
				t.Fatalf("not the decision that is wanted: %+v", made)
			}
			if got := testing.AllocsPerRun(100, func() { s.Decide(at(2), c.demand, 1) }); got > c.most {
				t.Errorf("a decision allocates %v times, want %v", got, c.most)
			}
		})
	}
}

// In a batch a decision adds one candidate to those of the one before.
func TestBatchSharesWhatItRecords(t *testing.T) {
	s := newState(t, "epvm", 3000)
	for i := range 3000 {
		observe(t, s, reading(nodeName(i), 1))
	}
	batch := make([]scheduler.Demand, 1000)
	next := func() []scheduler.Demand {
		for i := range batch {
			batch[i] = demand(i, 0.1, gib)
		}
		return batch
	}
	s.DecideBatch(at(2), next(), 1)
	got := testing.AllocsPerRun(5, func() {
		for i := range batch {
			if err := s.Remove(taskID(i), scheduler.End{At: at(2), FinishTime: scheduler.Absent()}); err != nil {
				t.Fatal(err)
			}
		}
		s.DecideBatch(at(2), next(), 1)
	})
	if got > 100 {
		t.Errorf("a batch of 1,000 allocates %v times, want no more than 100", got)
	}
}

// Writing an outcome out for the store takes the bytes, and memory for two
// candidates.
func TestMarshalTakesLittleMemory(t *testing.T) {
	s := newState(t, "epvm", 20)
	for i := range 20 {
		observe(t, s, reading(nodeName(i), 1))
	}
	made := s.Decide(at(2), demand(1, 0.5, gib), 1)
	got := testing.AllocsPerRun(100, func() {
		if _, err := made.MarshalBinary(); err != nil {
			t.Error(err)
		}
	})
	if got > 2 {
		t.Errorf("it allocates %v times, want no more than 2", got)
	}
}
