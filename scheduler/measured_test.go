package scheduler_test

import (
	"fmt"
	"math"
	"testing"

	"cube/scheduler"
)

// told is a reading of a task that started at 1,000 s on the worker's clock and
// has used so many seconds of CPU.
func told(n int, cpu float64) scheduler.TaskReading {
	return scheduler.TaskReading{ID: taskID(n), CpuSeconds: cpu, MemoryBytes: 1 << 20, StartTime: 1000}
}

// started places the n-th task as one that started at 1,000 s.
func started(t *testing.T, s *scheduler.State, node string, n int, cpu float64, name string) {
	t.Helper()
	d := demand(n, cpu, 1<<20)
	d.Name = name
	place(t, s, scheduler.Placement{Demand: d, Node: node, At: at(0), StartTime: 1000})
}

func inputs(t *testing.T, s *scheduler.State, node string, seconds float64) scheduler.Inputs {
	t.Helper()
	in, _, known := s.Inspect(node, at(seconds))
	if !known {
		t.Fatalf("node %s is not known", node)
	}
	return in
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s is %v, want %v ± %v", what, got, want, within)
	}
}

// predicted is what a new task is expected to use.
func predicted(s *scheduler.State, seconds, cpu float64, name string) float64 {
	d := demand(999_999, cpu, 1<<20)
	d.Name = name
	return s.Decide(at(seconds), d, 1).Decision().CpuPredicted
}

// A request never seen is foreseen by all others, and one with nothing measured
// at all by itself.
func TestPredictionComesFromRequestsAndNames(t *testing.T) {
	s := newState(t, "measured", 1)
	observe(t, s, reading("n00", 0))
	near(t, "before anything is measured, the prediction", predicted(s, 1, 2, "web"), 2, 0)
	r := reading("n00", 600)
	for i := range 100 {
		name, share := "web", 0.25
		if i%2 == 1 {
			name, share = "batch", 0.75
		}
		started(t, s, "n00", i, 0.2, name)
		r.Tasks = append(r.Tasks, told(i, 600*0.2*share))
	}
	r.CpuUsage = 0.3
	observe(t, s, r)
	near(t, "for the name that uses a quarter, the prediction", predicted(s, 601, 0.2, "web"), (50*0.05+5*0.1)/55, 0.0005)
	near(t, "for the name that uses three quarters, the prediction", predicted(s, 601, 0.2, "batch"), (50*0.15+5*0.1)/55, 0.0005)
	near(t, "for another name, the prediction", predicted(s, 601, 0.2, "other"), 0.1, 0.004)
	near(t, "for another request, the prediction", predicted(s, 601, 4, "other"), 2, 0.1)
}

// One odd task does not make the next ones look free.
func TestOneMeasuredTaskTeachesLittle(t *testing.T) {
	s := newState(t, "measured", 1)
	started(t, s, "n00", 1, 1, "")
	r := reading("n00", 60)
	r.Tasks = []scheduler.TaskReading{told(1, 0)}
	observe(t, s, r)
	if p := predicted(s, 61, 1, ""); p < 0.6 || p > 0.9 {
		t.Errorf("after one idle task the next is expected to use %v of 1 core, want 0.6 to 0.9", p)
	}
}

// The expected use of a node is that of its tasks and of what else runs there.
func TestOtherLoadCounts(t *testing.T) {
	s := newState(t, "measured", 1)
	for i := range 10 {
		started(t, s, "n00", i, 1, "")
	}
	for seconds := 300.0; seconds <= 3600; seconds += 300 {
		r := reading("n00", seconds)
		for i := range 10 {
			r.Tasks = append(r.Tasks, told(i, seconds*0.5))
		}
		r.CpuUsage = (10*0.5 + 8) / 32
		observe(t, s, r)
	}
	near(t, "the mean", inputs(t, s, "n00", 3601).CpuMean, 13, 0.3)
}

// Without metrics of tasks the node's own use counts, and what was promised
// since.
func TestWithoutTaskMetricsTheRatioCounts(t *testing.T) {
	s := newState(t, "measured", 1)
	for i := range 10 {
		started(t, s, "n00", i, 1, "")
	}
	r := reading("n00", 300)
	r.CpuUsage, r.TasksGeneration = 4.0/32, scheduler.Absent()
	observe(t, s, r)
	near(t, "the mean", inputs(t, s, "n00", 301).CpuMean, 4, 1e-9)
	place(t, s, scheduler.Placement{Demand: demand(50, 2, 1<<20), Node: "n00", At: at(301), StartTime: scheduler.Absent()})
	near(t, "the mean with one more", inputs(t, s, "n00", 302).CpuMean, 6, 1e-9)
}

// A task that restarts begins its counter anew; a worker that restarts does
// not, and neither makes its use negative or new.
func TestRestartIsNoIdleTask(t *testing.T) {
	s := newState(t, "measured", 1)
	started(t, s, "n00", 1, 4, "")
	for seconds := 300.0; seconds <= 6000; seconds += 300 {
		r := reading("n00", seconds)
		r.CpuUsage = 2.0 / 32
		one := told(1, seconds*2)
		if seconds > 3000 { // it restarted at 3,000 s
			one.StartTime, one.CpuSeconds = 4000, (seconds-3000)*2
		}
		r.Tasks = []scheduler.TaskReading{one}
		observe(t, s, r)
		in := inputs(t, s, "n00", seconds+1)
		if seconds >= 600 {
			near(t, fmt.Sprintf("the mean at %v s", seconds), in.CpuMean, 2, 0.5)
			near(t, fmt.Sprintf("the expected use at %v s", seconds), in.CpuExpected, 2, 1e-6)
		}
	}
}

// A node of steady tasks and one of tasks that come and go, equal in the mean:
// the steady one has more room.
func TestUnsteadyTasksNeedMoreRoom(t *testing.T) {
	s := newState(t, "measured", 2)
	for i := range 12 {
		started(t, s, nodeName(i%2), i, 4, "")
	}
	used := make([]float64, 12)
	for slot := 1; slot <= 48; slot++ {
		seconds := float64(slot) * 300
		for node := range 2 {
			r := reading(nodeName(node), seconds)
			r.CpuUsage = 24.0 / 32
			for i := node; i < 12; i += 2 {
				rate := 4.0
				if node == 1 { // by turns 7 and 1, half of them at a time
					rate = 4 + 3*float64(1-2*((slot+i/2)%2))
				}
				used[i] += 300 * rate
				r.Tasks = append(r.Tasks, told(i, used[i]))
			}
			observe(t, s, r)
		}
	}
	steady, unsteady := inputs(t, s, "n00", 14401), inputs(t, s, "n01", 14401)
	near(t, "the steady node's variance per task", steady.CpuVariance/6, 0, 4)
	if unsteady.CpuVariance < 2*steady.CpuVariance {
		t.Errorf("the variances are %v where tasks are steady and %v where not; want at least double", steady.CpuVariance, unsteady.CpuVariance)
	}
	if made := s.Decide(at(14401), demand(50, 4, 1<<20), 1).Decision(); made.Node != "n00" {
		t.Errorf("%q won, want the steady node: %+v", made.Node, made.Candidates)
	}
}

// descheduler#1092: to act on what was read in one instant is unwise. A task that
// worked hard between two readings only is not taken to go on like that.
func TestOneInstantIsNotTheTrend(t *testing.T) {
	s := newState(t, "measured", 1)
	started(t, s, "n00", 1, 8, "")
	used := 0.0
	look := func(seconds, cores float64) float64 {
		r := reading("n00", seconds)
		used += 15 * cores
		r.Tasks = []scheduler.TaskReading{told(1, used)}
		r.CpuUsage = cores / 32
		observe(t, s, r)
		return inputs(t, s, "n00", seconds+1).CpuMean
	}
	before := 0.0
	for seconds := 15.0; seconds <= 7200; seconds += 15 {
		before = look(seconds, 1)
	}
	near(t, "the mean of a task that always used one core", before, 1.2, 0.5)
	if after := look(7215, 8); after > before+0.75*7 {
		t.Errorf("after 15 s at 8 cores the task is expected to use %v, want well below 8", after)
	}
	if back := look(7230, 1); back > before+0.5 {
		t.Errorf("a reading later it is expected to use %v, want about 1", back)
	}
}
