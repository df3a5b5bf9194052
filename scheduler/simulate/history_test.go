package simulate

import (
	"fmt"
	"testing"
)

// dayOf is a task of a job's day that uses so much all day.
func dayOf(job string, day int, use int32) Task {
	t := steady(use)
	t.Cpu, t.Source = 1000, fmt.Sprintf("%sd%d", job, day)
	return t
}

// foretold is what a task of the job's third day is expected to use when it
// comes, in cores, by a scheduler that has lived through the days before.
func foretold(t *testing.T, days ...int32) float64 {
	t.Helper()
	trace := &Trace{Name: "days", Machines: []Machine{{Cpu: 8000, Memory: 64 << 30, Overcommit: 20}}}
	for day, use := range days {
		trace.Tasks = append(trace.Tasks, dayOf("vm", day, use))
	}
	var s Schedule
	for i := range trace.Tasks {
		s.Arrivals = append(s.Arrivals, Arrival{Task: i, Arrive: Slot, Depart: Day})
	}
	w := newWorld(trace, &s, nil)
	w.history = true
	p, err := policyOf("measured")
	if err != nil {
		t.Fatal(err)
	}
	placer, err := newByState(w, p, &Options{Interval: Slot})
	if err != nil {
		t.Fatal(err)
	}
	if err := placer.read(newExporter(w.machines[0], 0, -Slot).scrape(0)); err != nil {
		t.Fatal(err)
	}
	if _, _, is := placer.state.Inspect(historyNode, instant(0)); is {
		t.Error("the machine of the days before is one to place on")
	}
	return placer.state.Decide(instant(0), placer.demand(2), 1).Decision().CpuPredicted
}

// A job's earlier days foretell what it uses, its later ones do not, nor does
// the day itself.
func TestHistoryIsOfEarlierDays(t *testing.T) {
	low, high := foretold(t, 100, 100, 500, 500, 500), foretold(t, 900, 900, 500, 500, 500)
	if !(low < 0.3 && high > 0.75) {
		t.Errorf("after days of 0.1 cores %v cores are foretold, after days of 0.9 %v", low, high)
	}
	for _, later := range []int32{0, 1000} {
		if got := foretold(t, 100, 100, 500, later, later); got > 0.3 {
			t.Errorf("later days of %d thousandths make what is foretold %v cores", later, got)
		}
	}
	trace := &Trace{Tasks: []Task{dayOf("a", 2, 1), dayOf("a", 7, 2), dayOf("b", 1, 3), dayOf("a", 10, 4), steady(5)}}
	var s Schedule
	for i := range trace.Tasks {
		s.Arrivals = append(s.Arrivals, Arrival{Task: i}, Arrival{Task: i})
	}
	want := map[string]int{"ad7 1": 1, "ad10 1": 1, "ad10 2": 1}
	for _, one := range newWorld(trace, &s, nil).pasts() {
		want[fmt.Sprintf("%s %d", one.name, one.task.CpuUse[0])]--
	}
	for what, missing := range want {
		if missing != 0 {
			t.Errorf("%s: %d times too few", what, missing)
		}
	}
}
