package scheduler_test

import (
	"testing"

	"cube/scheduler"
	"cube/worker/task"
)

// steadily has a node read every five minutes up to so many seconds, with tasks
// that have used so many cores each since they started at 0 s. What else uses
// CPU there is other, in cores.
func steadily(t *testing.T, s *scheduler.State, r scheduler.Reading, until float64, first, tasks int, each, other float64) {
	t.Helper()
	for seconds := 300.0; seconds <= until; seconds += 300 {
		r.At, r.Clock = at(seconds), 1000+seconds
		r.CpuUsage = min(1, (float64(tasks)*each+other)/r.CpuCores)
		r.Tasks = r.Tasks[:0]
		for i := range tasks {
			r.Tasks = append(r.Tasks, told(first+i, seconds*each))
		}
		observe(t, s, r)
	}
}

// Where memory is short the node that has more of it left takes the task, though
// it is the busier one; where it is plenty the idler one does, and memory has no
// part in the score.
func TestMemoryCountsWhereItIsShort(t *testing.T) {
	for _, c := range []struct {
		what string
		each task.Bytes // of ten tasks on the idler node
		want string
	}{
		{"200 of 240 GiB promised", 20 * gib, "n01"},
		{"40 of 240 GiB promised", 4 * gib, "n00"},
	} {
		s := newState(t, "measured", 2)
		for i := range 10 {
			d := demand(i, 1, c.each)
			place(t, s, scheduler.Placement{Demand: d, Node: "n00", At: at(0), StartTime: 1000})
			d = demand(100+i, 1, 2*gib)
			place(t, s, scheduler.Placement{Demand: d, Node: "n01", At: at(0), StartTime: 1000})
		}
		steadily(t, s, reading("n00", 0), 3600, 0, 10, 0.3, 0)
		steadily(t, s, reading("n01", 0), 3600, 100, 10, 0.6, 0)
		made := s.Decide(at(3601), demand(999, 1, 16*gib), 1).Decision()
		if made.Node != c.want {
			t.Errorf("%s: %q won, want %s: %+v", c.what, made.Node, c.want, made.Candidates)
		}
		for _, candidate := range made.Candidates {
			each := float64(c.each)
			if candidate.Node == "n01" {
				each = 2 * gib
			}
			near(t, c.what+": MemorySquares of "+candidate.Node, candidate.Inputs.MemorySquares, 10*each*each, 0)
		}
	}
}

// Of two nodes equally busy in shares, the larger has more room for the next.
func TestLargerNodesTakeMore(t *testing.T) {
	s := newState(t, "measured", 2)
	small, large := reading("n00", 0), reading("n01", 0)
	small.CpuCores, small.AllocatableCpu = 8, 8
	for i := range 10 {
		started(t, s, "n00", i, 1, "")
	}
	for i := range 40 {
		started(t, s, "n01", 100+i, 1, "")
	}
	steadily(t, s, small, 7200, 0, 10, 0.7, 0)
	steadily(t, s, large, 7200, 100, 40, 0.7, 0)
	if made := s.Decide(at(7201), demand(999, 1, gib), 1).Decision(); made.Node != "n01" {
		t.Errorf("%q won, want the node of 32 cores: %+v", made.Node, made.Candidates)
	}
}

// A task without requests counts by what it uses, but for the tenth that is its
// kind's: there a share of nothing. The manager fills in defaults; what reaches
// the scheduler without them must not make a busy node look idle.
func TestTasksWithoutRequestsCount(t *testing.T) {
	s := newState(t, "measured", 2)
	for i := range 10 {
		place(t, s, scheduler.Placement{Demand: demand(i, 0, 0), Node: "n00", At: at(0), StartTime: 1000})
	}
	steadily(t, s, reading("n00", 0), 7200, 0, 10, 2.5, 0)
	steadily(t, s, reading("n01", 0), 7200, 100, 0, 0, 20)
	near(t, "the mean of ten tasks that asked for nothing", inputs(t, s, "n00", 7201).CpuMean, 0.9*25, 1e-9)
	for _, cpu := range []float64{0, 1} {
		if made := s.Decide(at(7201), demand(999, cpu, 0), 1).Decision(); made.Node != "n01" {
			t.Errorf("%q won for %v cores, want the idler node: %+v", made.Node, cpu, made.Candidates)
		}
	}
}

// A worker that starts anew: its readings stop, and go on with the same tasks
// and another clock offset. In between requests count, then what was learned.
func TestWorkerRestartsAndRequestsStandIn(t *testing.T) {
	s := newState(t, "measured", 1)
	for i := range 10 {
		started(t, s, "n00", i, 2, "")
	}
	steadily(t, s, reading("n00", 0), 7200, 0, 10, 0.5, 0)
	near(t, "the mean by readings", inputs(t, s, "n00", 7201).CpuMean, 5, 0.2)
	near(t, "the mean by requests, of a reading that is old", inputs(t, s, "n00", 7230).CpuMean, 20, 0)
	r := reading("n00", 7245)
	for i := range 10 {
		r.Tasks = append(r.Tasks, told(i, 7245*0.5))
	}
	r.CpuUsage = 5.0 / 32
	observe(t, s, r)
	near(t, "the mean by readings again", inputs(t, s, "n00", 7246).CpuMean, 5, 0.2)
}

// Without any reading nothing is placed; with one that knows neither tasks nor
// use the node cannot be judged; each step back has a rule.
func TestMeasuredDegradesByRule(t *testing.T) {
	s := newState(t, "measured", 1)
	started(t, s, "n00", 1, 2, "")
	if made := s.Decide(at(1), demand(9, 1, gib), 1).Decision(); made.Node != "" || made.Refused[0].Code != scheduler.RefusedNoReading {
		t.Errorf("never read: %q, %+v", made.Node, made.Refused)
	}
	r := reading("n00", 300)
	r.CpuUsage = 1.0 / 32
	r.Tasks = []scheduler.TaskReading{told(1, 150)}
	observe(t, s, r)
	near(t, "with metrics of tasks, the mean", inputs(t, s, "n00", 301).CpuMean, 1, 0.6)
	r = reading("n00", 600)
	r.CpuUsage, r.TasksGeneration = 3.0/32, scheduler.Absent()
	observe(t, s, r)
	in := inputs(t, s, "n00", 601)
	near(t, "without, the use as measured", in.CpuExpected, 3, 1e-9)
	r = reading("n00", 900)
	r.CpuUsage = scheduler.Absent()
	observe(t, s, r)
	if made := s.Decide(at(901), demand(9, 1, gib), 1).Decision(); made.Node != "" || made.Refused[0].Code != scheduler.RefusedNoReading {
		t.Errorf("a page without CPU: %q, %+v", made.Node, made.Refused)
	}
}

// Each of the three resources has its say: the idlest node has no disk left, the
// next no memory, and the busiest takes the task.
func TestThreeResourcesCount(t *testing.T) {
	s := newState(t, "measured", 3)
	for node, each := range []task.Resources{{Cpu: 1, Memory: gib, Disk: 89 * gib}, {Cpu: 1, Memory: 23 * gib, Disk: gib}, {Cpu: 1, Memory: gib, Disk: gib}} {
		for i := range 10 {
			d := scheduler.Demand{Task: taskID(100*node + i), Requests: each}
			place(t, s, scheduler.Placement{Demand: d, Node: nodeName(node), At: at(0), StartTime: 1000})
		}
		steadily(t, s, reading(nodeName(node), 0), 3600, 100*node, 10, []float64{0.1, 0.2, 2}[node], 0)
	}
	for _, c := range []struct {
		asks task.Resources
		want string
	}{
		{task.Resources{Cpu: 1, Memory: 16 * gib, Disk: 50 * gib}, "n02"},
		{task.Resources{Cpu: 1, Disk: 50 * gib}, "n01"},
		{task.Resources{Cpu: 1, Memory: gib, Disk: gib}, "n00"},
	} {
		made := s.Decide(at(3601), scheduler.Demand{Task: taskID(999), Requests: c.asks}, 1).Decision()
		if made.Node != c.want {
			t.Errorf("%q won for %+v, want %s: %+v, %+v", made.Node, c.asks, c.want, made.Candidates, made.Refused)
		}
	}
}

// Tasks of a size that was never seen are foreseen by what others use of their
// request: a burst of them fills the idle node as far as the busy one, and no
// further, though nothing is measured of any of them.
func TestFirstOfASizeSpreadByWhatOthersUse(t *testing.T) {
	s := newState(t, "measured", 2)
	for i := range 80 {
		started(t, s, nodeName(i/40), i, 1, "")
	}
	for node, each := range []float64{0.6, 0.2} {
		r := reading(nodeName(node), 0)
		r.OvercommitCpu = 4
		steadily(t, s, r, 7200, 40*node, 40, each, 0)
	}
	near(t, "what the first of 8 cores will use", predicted(s, 7201, 8, ""), 8*0.4, 0.5)
	got := map[string]int{}
	for i := range 7 { // 16 cores are idle more on n01: five of them
		got[put(t, s, at(7201), demand(200+i, 8, gib), uint64(i))]++
	}
	if got["n01"] < 5 || got["n00"] < 1 {
		t.Errorf("%v; want five or six of seven on the idle node", got)
	}
}
