package simulate

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"cube/worker/task"
)

func tiny(t *testing.T) *Trace {
	t.Helper()
	trace, err := Load(os.DirFS("testdata/tiny"), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// steady is a task that uses the same all day.
func steady(use int32) Task {
	t := Task{Cpu: 1000, Memory: 1 << 30, CpuUse: make([]int32, Slots)}
	for i := range t.CpuUse {
		t.CpuUse[i] = use
	}
	return t
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// A day that can be reckoned by hand. One machine of 1 core; a task that uses
// 0.6 cores from 0 s to the end, a second one from 7,350 s to 7,800 s: half of
// slot 24 and all of slot 25. Asked for in them: 0.9 and 1.2 cores. While both
// run 0.2 cores are not served.
func TestFiguresOfADayByHand(t *testing.T) {
	trace := &Trace{
		Name: "hand", Tasks: []Task{steady(600), steady(600)},
		Machines: []Machine{{Cpu: 1000, Memory: 4 << 30, Overcommit: 2}},
		Schedules: []Schedule{{Arrivals: []Arrival{
			{Task: 0, Depart: Day}, {Task: 1, Arrive: 7350 * time.Second, Depart: 7800 * time.Second},
		}}},
	}
	for _, policy := range append(Told(), "measured", Random, Oracle) {
		out, err := Replay(t.Context(), trace, &trace.Schedules[0], policy, Options{Interval: Slot, Draws: 2})
		if err != nil {
			t.Fatal(err)
		}
		near(t, policy+": use in slot 24", out.Use[24][0], 0.9)
		near(t, policy+": use in slot 25", out.Use[25][0], 1.2)
		near(t, policy+": over %", out.Over, 100.0/276)
		near(t, policy+": unserved %", out.Unserved, 100*0.2*450/(0.6*82800+0.6*450))
		near(t, policy+": p99 %", out.P99, 60)
		near(t, policy+": nodes used", out.NodesUsed, 1)
		near(t, policy+": rejected", out.Rejected, 0)
	}
}

// What the page of an overloaded machine shows: busy in whole and no more, and
// each task with its part of what there is.
func TestReadingOfAnOverloadedMachine(t *testing.T) {
	m := newMachine(Machine{Cpu: 1000, Memory: 4 << 30, Overcommit: 4})
	e := newExporter(m, 0, 0)
	tasks := [...]Task{steady(1500), steady(500)}
	m.start(&run{arrival: 1, task: &tasks[0]}, 0)
	m.start(&run{arrival: 2, task: &tasks[1]}, 50*time.Second)
	r := e.scrape(100 * time.Second)
	near(t, "busy share", r.CpuUsage, 1)
	near(t, "window", r.CpuWindow, 100)
	near(t, "CPU seconds of the first", r.Tasks[0].CpuSeconds, 50+50*0.75)
	near(t, "CPU seconds of the second", r.Tasks[1].CpuSeconds, 50*0.25)
	near(t, "memory available", r.MemoryAvailable, 2<<30)
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

// The window is as the collector's: the earlier reading nearest to 15 s ago.
func TestWindowOfReadings(t *testing.T) {
	for interval, want := range map[time.Duration]float64{5 * time.Second: 15, 15 * time.Second: 15, 300 * time.Second: 300} {
		e := newExporter(newMachine(Machine{Cpu: 1000, Memory: 1, Overcommit: 1}), 0, -interval)
		var window float64
		for at := time.Duration(0); at < 20*interval; at += interval {
			window = e.scrape(at).CpuWindow
		}
		near(t, "window at "+interval.String(), window, want)
	}
}

// watched holds a placer to the rules at each step.
type watched struct {
	placer
	t     *testing.T
	world *world
	live  map[int]int // arrival → machine
	came  int
	gone  int
	none  int
}

func (p *watched) place(now time.Duration, arrival int) int {
	p.check(now)
	p.came++
	chosen := p.placer.place(now, arrival)
	if chosen < 0 {
		p.none++
		for i, m := range p.world.machines {
			// A state goes by readings too: memory that a task has left
			// is not available before it is measured to be.
			if !p.reads() && m.fits(p.world.taskOf(arrival)) {
				p.t.Errorf("at %v arrival %d is rejected, yet fits machine %d", now, arrival, i)
			}
		}
		return chosen
	}
	p.live[arrival] = chosen
	return chosen
}

func (p *watched) ended(now time.Duration, arrival int) {
	if due := p.world.schedule.Arrivals[arrival].Depart; due != now {
		p.t.Errorf("arrival %d ends at %v, not at %v", arrival, now, due)
	}
	delete(p.live, arrival)
	p.gone++
	p.placer.ended(now, arrival)
	p.check(now)
}

// check counts what is where, and what it asks for, anew.
func (p *watched) check(now time.Duration) {
	p.t.Helper()
	on := make([]Task, len(p.world.machines))
	runs := 0
	for arrival, machine := range p.live {
		task := p.world.taskOf(arrival)
		on[machine].Cpu += task.Cpu
		on[machine].Memory += task.Memory
		r := p.world.runs[arrival]
		if r == nil || r.machine != p.world.machines[machine] {
			p.t.Fatalf("at %v arrival %d is not on machine %d, where it was placed", now, arrival, machine)
		}
	}
	for i, m := range p.world.machines {
		runs += len(m.runs)
		var cpu int64
		var memory task.Bytes
		for k, r := range m.runs {
			if r.index != k || r.machine != m {
				p.t.Fatalf("at %v run %d of machine %d is not in its place", now, k, i)
			}
			cpu += r.use
			memory += r.memory
		}
		if m.cpuAsked != on[i].Cpu || m.memAsked != on[i].Memory || m.cpu != cpu || m.memory != memory {
			p.t.Fatalf("at %v the sums of machine %d are not those of its runs", now, i)
		}
		if m.cpuAsked > m.cpuLimit || m.memAsked > m.Memory {
			p.t.Fatalf("at %v machine %d has promised more than it may", now, i)
		}
	}
	if p.came != p.gone+p.none+len(p.live) || runs != len(p.live) {
		p.t.Fatalf("at %v: %d came, %d ended, %d were rejected, %d are there, %d run", now, p.came, p.gone, p.none, len(p.live), runs)
	}
}

// anyTrace draws a trace with bursts, tasks without use, short lives and
// machines that are too few.
func anyTrace(chance *rand.Rand) *Trace {
	trace := &Trace{Name: "any"}
	for range 1 + chance.IntN(5) {
		trace.Machines = append(trace.Machines, Machine{
			Cpu: int64(500 + chance.IntN(8000)), Memory: task.Bytes(1+chance.IntN(16)) << 30, Overcommit: 0.5 + 4*chance.Float64(),
		})
	}
	var s Schedule
	at := time.Duration(0)
	for i := range 1 + chance.IntN(150) {
		one := Task{Cpu: int64(chance.IntN(4000)), Memory: task.Bytes(chance.IntN(4 << 30)), CpuUse: make([]int32, Slots)}
		for k := range one.CpuUse {
			one.CpuUse[k] = int32(chance.IntN(3000))
		}
		trace.Tasks = append(trace.Tasks, one)
		if chance.IntN(3) == 0 {
			at = min(Day, at+time.Duration(chance.IntN(3600_000))*time.Millisecond)
		}
		depart := min(Day, at+time.Duration(chance.IntN(20_000_000))*time.Millisecond)
		s.Arrivals = append(s.Arrivals, Arrival{Task: i, Arrive: at, Depart: depart})
	}
	trace.Schedules = []Schedule{s}
	return trace
}

// No task is lost, doubled or moved, whatever comes and whoever places: what
// came is there, has ended or was rejected, and was rejected only where it
// fitted nowhere.
func TestReplaysConserveTasks(t *testing.T) {
	for seed := range uint64(60) {
		chance := rand.New(rand.NewPCG(seed, 1))
		trace := anyTrace(chance)
		interval := []time.Duration{15 * time.Second, 97 * time.Second, Slot}[seed%3]
		o := Options{Interval: interval}
		for _, name := range []string{"measured", "epvm", "two-choices", Random, Oracle, ToldSoon, ToldRest, ToldRunning, ToldUse} {
			w := o.world(trace, &trace.Schedules[0])
			watch := &watched{t: t, world: w, live: map[int]int{}, placer: placerOf(t, w, name, interval)}
			if err := w.replay(context.Background(), watch, newRounds(w.machines, interval, chance)); err != nil {
				t.Fatalf("seed %d, %s: %v", seed, name, err)
			}
			watch.check(Day)
			if len(watch.live) != 0 || watch.came != len(w.schedule.Arrivals) {
				t.Fatalf("seed %d, %s: %d of %d came, %d are there after the day", seed, name, watch.came, len(w.schedule.Arrivals), len(watch.live))
			}
			if row := w.tally.row(); int(row.Rejected) != watch.none {
				t.Errorf("seed %d, %s: %v rejected, want %d", seed, name, row.Rejected, watch.none)
			}
			for i, m := range w.machines {
				if m.cpu != 0 || m.memory != 0 || m.busy > m.asked+1e-6 {
					t.Errorf("seed %d, %s: machine %d ends with %d asked for, %d bytes, busy %v of %v asked", seed, name, i, m.cpu, m.memory, m.busy, m.asked)
				}
			}
		}
	}
}

func placerOf(t *testing.T, w *world, name string, interval time.Duration) placer {
	t.Helper()
	switch name {
	case Random:
		return &byChance{world: w, chance: rand.New(rand.NewPCG(1, 2))}
	case Oracle:
		return newOracle(w)
	case ToldSoon, ToldRest, ToldRunning, ToldUse:
		return newTold(w, name)
	}
	p, err := policyOf(name)
	if err != nil {
		t.Fatal(err)
	}
	placer, err := newByState(w, p, &Options{Interval: interval})
	if err != nil {
		t.Fatal(err)
	}
	return placer
}

// The same options give the same rows, on however many cores.
func TestStudiesRepeat(t *testing.T) {
	trace := tiny(t)
	o := Options{Interval: Slot, Draws: 3}
	policies := []string{"measured", "roundrobin", "random"}
	first, err := Run(t.Context(), trace, policies, 3, o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Run(t.Context(), trace, policies, 3, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range policies {
		for i, row := range first.Rows[p] {
			if row != again.Rows[p][i] {
				t.Errorf("%s, schedule %d: %+v, then %+v", p, i, row, again.Rows[p][i])
			}
		}
	}
	if gap, ok := first.GapClosed(Oracle, OverPercent); !ok || gap.Mean != 100 {
		t.Errorf("the oracle closes %v %% of the gap; want 100", gap.Mean)
	}
}

// Ten tasks of 0.6 cores on machines of 1 core: one a machine and not two.
func TestMachinesNeeded(t *testing.T) {
	trace := &Trace{Name: "hand", Machines: []Machine{{Cpu: 1000, Memory: 64 << 30, Overcommit: 20}}}
	var s Schedule
	for i := range 10 {
		trace.Tasks = append(trace.Tasks, steady(600))
		s.Arrivals = append(s.Arrivals, Arrival{Task: i, Depart: Day})
	}
	trace.Schedules = []Schedule{s}
	study := &Study{Trace: trace, Policies: []string{"least-allocated", Oracle, "binpack"}, Needed: map[string]int{}}
	trace.Machines = append(trace.Machines, trace.Machines[0]) // so that up to 16 are tried
	if err := study.FindNeeded(t.Context(), Options{Interval: Slot, Draws: 1}); err != nil {
		t.Fatal(err)
	}
	if study.Needed["least-allocated"] != 10 || study.Needed[Oracle] != 10 || study.Needed["binpack"] != 0 {
		t.Errorf("needed %v; want 10 for least-allocated and the oracle, none enough for binpack", study.Needed)
	}
}
