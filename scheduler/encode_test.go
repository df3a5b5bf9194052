package scheduler_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"cube/scheduler"
)

// decisions are of a fleet of 10,000 with nodes that are down, full and short
// of memory, and with tasks that are measured.
func decisions(t testing.TB, spec string, many int) []scheduler.Outcome {
	t.Helper()
	random := rand.New(rand.NewPCG(8, 9))
	s := newState(t, spec, 0)
	for i := range 10_000 {
		name := fmt.Sprintf("worker-%05d.example", i)
		s.SetNode(scheduler.Node{Name: name, Draining: i%100 == 7})
		r := reading(name, 100+random.Float64()*5)
		r.CpuUsage = random.Float64()
		r.MemoryAvailable = float64(random.Int64N(200 * gib))
		d := demand(i, 0.1+random.Float64(), gib)
		place(t, s, scheduler.Placement{Demand: d, Node: name, At: at(1), StartTime: 1001})
		r.Tasks = []scheduler.TaskReading{{ID: d.Task, CpuSeconds: random.Float64() * 50, MemoryBytes: float64(random.Int64N(gib)), StartTime: 1001}}
		observe(t, s, r)
	}
	var list []scheduler.Outcome
	for i := range many {
		d := mixed(1_000_000+i, random)
		d.Requests.Memory *= 8
		made := s.Decide(at(107), d, random.Uint64())
		made.Time = time.Unix(1_700_000_000, int64(i)).UTC()
		list = append(list, made)
	}
	return list
}

func TestStoredDecisionIsSmallAndWhole(t *testing.T) {
	for _, spec := range []string{"measured", "epvm", "epvm=2,spread=1"} {
		for _, outcome := range decisions(t, spec, 50) {
			stored, err := outcome.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			made := outcome.Decision()
			if written, err := made.MarshalBinary(); err != nil || !bytes.Equal(written, stored) {
				t.Fatalf("written out it is stored as %x (%v), as it was made as %x", written, err, stored)
			}
			if len(stored) > 1024 {
				text, _ := json.Marshal(made)
				t.Errorf("%s: a decision takes %d bytes (as JSON %d), want no more than 1,024", spec, len(stored), len(text))
			}
			var back scheduler.Decision
			if err := back.UnmarshalBinary(stored); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, made) {
				t.Fatalf("read back:\n%+v\nwas\n%+v", back, made)
			}
		}
	}
}

func TestStoredDecisionKeepsAnyText(t *testing.T) {
	made := scheduler.Decision{Node: "näher", Refused: []scheduler.RefusalCount{{Code: scheduler.RefusedByWorker, Count: 1,
		Examples: []scheduler.Refusal{{Node: "n", Code: scheduler.RefusedByWorker, Reason: "no room: \x80\xff needs 4 GiB"}}}}}
	stored, err := made.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back scheduler.Decision
	if err := back.UnmarshalBinary(stored); err != nil || !reflect.DeepEqual(back, made) {
		t.Errorf("read back %+v (%v), was %+v", back, err, made)
	}
}

// Whatever is in a store, reading it ends, and what can be read can be written
// and read again.
func FuzzStoredDecision(f *testing.F) {
	for _, made := range decisions(f, "measured", 3) {
		stored, err := made.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(stored)
		f.Add(stored[:len(stored)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var made scheduler.Decision
		if made.UnmarshalBinary(data) != nil {
			return
		}
		stored, err := made.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back scheduler.Decision
		if err := back.UnmarshalBinary(stored); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
