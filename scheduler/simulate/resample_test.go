package simulate

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// A resampled day has as many arrivals, at the same moments, of tasks whose use
// is that of a task of the trace begun at another hour, the same one for all; as
// much CPU, to half a machine; and requests scaled by one factor.
func TestResamplingKeepsWhatItSays(t *testing.T) {
	for seed := range uint64(40) {
		trace := anyTrace(rand.New(rand.NewPCG(seed, 7)))
		before := *trace
		before.Tasks = slices.Clone(trace.Tasks)
		other := trace.Resample(seed)
		if !reflect.DeepEqual(&before, trace) {
			t.Fatalf("seed %d: the trace was changed", seed)
		}
		if !reflect.DeepEqual(other, trace.Resample(seed)) {
			t.Fatalf("seed %d: twice is not the same", seed)
		}
		was, is := &trace.Schedules[0], &other.Schedules[0]
		if len(is.Arrivals) != len(was.Arrivals) {
			t.Fatalf("seed %d: %d arrivals of %d", seed, len(is.Arrivals), len(was.Arrivals))
		}
		sumWas, largest, sumIs := int64(0), int64(0), int64(0)
		for _, m := range trace.Machines {
			sumWas, largest = sumWas+m.Cpu, max(largest, m.Cpu)
		}
		for _, m := range is.Machines {
			if sumIs += m.Cpu; !slices.Contains(trace.Machines, m) {
				t.Errorf("seed %d: a machine %+v of no type of the trace", seed, m)
			}
		}
		if 2*max(sumWas-sumIs, sumIs-sumWas) > largest+1 {
			t.Errorf("seed %d: %d thousandths of a core in all, of %d", seed, sumIs, sumWas)
		}
		turns := drawnFrom(t, trace, is, was)
		if len(turns) == 0 {
			t.Errorf("seed %d: no turn and no scale is that of all tasks", seed)
		}
	}
}

// drawnFrom returns the turns by which each task of a resampled day is one of
// the trace's, all requests scaled alike.
func drawnFrom(t *testing.T, trace *Trace, is, was *Schedule) (turns []int) {
	t.Helper()
	for i, a := range is.Arrivals {
		if a.Arrive != was.Arrivals[i].Arrive || a.Depart != was.Arrivals[i].Depart {
			t.Fatalf("arrival %d is at %v to %v, not %v to %v", i, a.Arrive, a.Depart, was.Arrivals[i].Arrive, was.Arrivals[i].Depart)
		}
	}
	for turn := range Slots {
		least, most := math.Inf(1), 0.0
		all := true
		for i := range is.Tasks {
			from := slices.IndexFunc(trace.Tasks, func(one Task) bool {
				return slices.Equal(one.turned(turn, 1).CpuUse, is.Tasks[i].CpuUse) && one.Memory == is.Tasks[i].Memory
			})
			if from < 0 {
				all = false
				break
			}
			if asked := float64(trace.Tasks[from].Cpu); asked > 200 { // so that rounding is below 1 %
				scale := float64(is.Tasks[i].Cpu) / asked
				least, most = min(least, scale), max(most, scale)
			}
		}
		if all && (most == 0 || most-least < 0.01 && least > 1/mostScaled-0.01 && most < mostScaled+0.01) {
			turns = append(turns, turn)
		}
	}
	return turns
}
