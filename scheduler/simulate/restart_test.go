package simulate

import (
	"testing"
	"time"

	"cube/scheduler"
)

// restarting is a day on which the worker of the first machine begins anew: its
// page is without its tasks from one hour to another.
type restarting struct {
	*byState
	t        *testing.T
	from, to time.Duration
	during   []int // placements on each machine while it is
	apart    map[string][2]float64
}

func (p *restarting) without(at time.Duration) bool { return at >= p.from && at < p.to }

func (p *restarting) read(r *scheduler.Reading) error {
	at := time.Duration(r.At - dawn)
	if r.Node == nodeName(0) && p.without(at) {
		r.Tasks = r.Tasks[:0]
	}
	if err := p.byState.read(r); err != nil {
		return err
	}
	if r.Node == nodeName(0) {
		p.compare(at)
	}
	return nil
}

// compare keeps the least and the most of what is expected of the machine by
// what it is asked for.
func (p *restarting) compare(at time.Duration) {
	when := "before"
	switch {
	case p.without(at):
		when = "while its tasks are not on the page"
	case at >= p.to:
		when = "after"
	}
	in, _, _ := p.state.Inspect(nodeName(0), instant(at))
	asked := float64(p.world.machines[0].cpu) / milli
	if at < Warmup || asked == 0 {
		return
	}
	is, seen := p.apart[when]
	if !seen {
		is = [2]float64{1, 1}
	}
	p.apart[when] = [2]float64{min(is[0], in.CpuMean/asked), max(is[1], in.CpuMean/asked)}
}

func (p *restarting) place(now time.Duration, arrival int) int {
	chosen := p.byState.place(now, arrival)
	if p.without(now) && chosen >= 0 {
		p.during[chosen]++
	}
	return chosen
}

// While a worker's tasks are not on its page, its measured use stands in for what
// they use, and new ones count by their kind; when they are back, so is what was
// known of them. The machine is neither shunned nor flooded.
func TestReplayWithAWorkerThatStartsAnew(t *testing.T) {
	trace := &Trace{Name: "restart"}
	for range 4 {
		trace.Machines = append(trace.Machines, Machine{Cpu: 16000, Memory: 256 << 30, Overcommit: 20})
	}
	var s Schedule
	for i := range 480 { // one every three minutes, each for two hours: 10 a machine
		one := steady(400 + 200*int32(i%3))
		one.Cpu = 2000
		trace.Tasks = append(trace.Tasks, one)
		from := time.Duration(i) * 3 * time.Minute
		s.Arrivals = append(s.Arrivals, Arrival{Task: i, Arrive: from, Depart: min(Day, from+2*time.Hour)})
	}
	w := newWorld(trace, &s, nil)
	policy, err := policyOf("measured")
	if err != nil {
		t.Fatal(err)
	}
	interval := 15 * time.Second
	state, err := newByState(w, policy, &Options{Interval: interval})
	if err != nil {
		t.Fatal(err)
	}
	p := &restarting{
		byState: state, t: t, from: 10 * time.Hour, to: 12 * time.Hour,
		during: make([]int, 4), apart: make(map[string][2]float64),
	}
	if err := w.replay(t.Context(), p, newRounds(w.machines, interval, chance(&s, 0))); err != nil || state.err != nil {
		t.Fatal(err, state.err)
	}
	if p.during[0] < 7 || p.during[0] > 13 {
		t.Errorf("%v tasks were placed on the machines in the two hours, want 7 to 13 of 40 on the first", p.during)
	}
	for when, is := range p.apart {
		if is[0] < 0.9 || is[1] > 1.1 {
			t.Errorf("%s, between %.2f and %.2f of the machine's use is expected of it", when, is[0], is[1])
		}
	}
	if len(p.apart) != 3 {
		t.Errorf("compared %v only", p.apart)
	}
}
