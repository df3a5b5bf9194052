package scheduler_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/worker/task"
)

// The book: a node whose stats failed was missing from the map of scores, read
// as 0 there, and won. volcano#5578: a failed query became a fresh 0 %.
func TestNodeWithoutReadingNeverWins(t *testing.T) {
	blind := map[string]func(*scheduler.Reading){
		"cube_cpu_usage_ratio":        func(r *scheduler.Reading) { r.CpuUsage = scheduler.Absent() },
		"cube_cpu_cores":              func(r *scheduler.Reading) { r.CpuCores = scheduler.Absent() },
		"cube_memory_total_bytes":     func(r *scheduler.Reading) { r.MemoryTotal = scheduler.Absent() },
		"cube_memory_available_bytes": func(r *scheduler.Reading) { r.MemoryAvailable = scheduler.Absent() },
	}
	for _, spec := range policy.Names() {
		for metric, blinds := range blind {
			t.Run(spec+"/"+metric, func(t *testing.T) {
				s := newState(t, spec, 3) // n02 is never read
				busy, dark := reading("n00", 0), reading("n01", 0)
				busy.CpuUsage = 0.97
				blinds(&dark)
				observe(t, s, busy)
				observe(t, s, dark)
				made := s.Decide(at(1), demand(1, 0.1, gib), 1).Decision()
				if made.Node != "n00" {
					t.Fatalf("%q won, want the busy node that was read", made.Node)
				}
				examples := made.Refused[0].Examples
				if made.Refused[0].Code != scheduler.RefusedNoReading || len(examples) != 2 ||
					!strings.Contains(examples[0].Reason, metric) || examples[1].Reason != "never read" {
					t.Errorf("refused %+v, want n01 for %s and n02 as never read", made.Refused, metric)
				}
			})
		}
	}
}

// A disk that could not be read holds nothing; tasks that ask for none fit.
func TestUnreadDiskHoldsNothing(t *testing.T) {
	s := newState(t, "epvm", 1)
	r := reading("n00", 0)
	r.DiskTotal, r.DiskAvailable, r.AllocatableDisk = scheduler.Absent(), scheduler.Absent(), scheduler.Absent()
	observe(t, s, r)
	d := demand(1, 0.1, gib)
	if made := s.Decide(at(1), d, 1).Decision(); made.Node != "n00" {
		t.Errorf("a task that asks for no disk was refused: %+v", made.Refused)
	}
	d.Requests.Disk = 1
	if made := s.Decide(at(1), d, 1).Decision(); made.Node != "" || made.Refused[0].Code != scheduler.RefusedNoReading {
		t.Errorf("a task that asks for disk went to %q: %+v", made.Node, made.Refused)
	}
}

// koordinator#3049: what was estimated of a task stayed with the node it left.
func TestTaskThatMovesLeavesNothingBehind(t *testing.T) {
	s := newState(t, "measured", 2)
	for i := range 2 {
		observe(t, s, reading(nodeName(i), 0))
	}
	d := demand(1, 2, gib)
	for _, node := range []string{"n00", "n01"} {
		place(t, s, scheduler.Placement{Demand: d, Node: node, At: at(1), StartTime: scheduler.Absent()})
	}
	left, _, _ := s.Inspect("n00", at(1))
	if left.CpuExpected != 0 || left.CpuPromised != 0 || left.MemoryPromised != 0 || left.Tasks != 0 || left.CpuMean != 0 {
		t.Errorf("the node it left keeps %+v", left)
	}
	has, _, _ := s.Inspect("n01", at(1))
	if has.CpuExpected != 2 || has.CpuPromised != 2 || has.Tasks != 1 {
		t.Errorf("the node it went to has %+v", has)
	}
}

// koordinator#1563, #2076: a stale high reading locked a healthy node out.
func TestStaleHighReadingDoesNotLockOut(t *testing.T) {
	s := newState(t, "epvm", 2)
	for i := range 2 {
		r := reading(nodeName(i), 0)
		r.CpuUsage = 0.99
		observe(t, s, r)
	}
	// Both are stale: what they were like counts no more, their promises do.
	place(t, s, scheduler.Placement{Demand: demand(1, 4, gib), Node: "n00", At: at(1), StartTime: scheduler.Absent()})
	made := s.Decide(at(30), demand(2, 1, gib), 1).Decision()
	if made.Node != "n01" || !made.Candidates[0].Inputs.Stale {
		t.Errorf("%q won among stale nodes, want n01, which has no promises: %+v", made.Node, made.Candidates)
	}
	// One reading later it is itself again.
	observe(t, s, reading("n00", 31))
	if made := s.Decide(at(31), demand(2, 1, gib), 1).Decision(); made.Node != "n00" {
		t.Errorf("%q won, want the node that was just read", made.Node)
	}
}

func TestStaleNodeOnlyWhenNoFreshOneFits(t *testing.T) {
	s := newState(t, "spread", 2)
	observe(t, s, reading("n00", 0)) // idle, but this was long ago
	fresh := reading("n01", 16)
	fresh.CpuUsage, fresh.MemoryAvailable = 0.9, 8*gib
	observe(t, s, fresh)
	made := s.Decide(at(20), demand(1, 1, gib), 1).Decision()
	if made.Node != "n01" || made.Refused[0].Code != scheduler.RefusedStale {
		t.Errorf("%q won: %+v; want the fresh one, the idle one refused as stale", made.Node, made.Refused)
	}
	made = s.Decide(at(20), demand(1, 1, 16*gib), 1).Decision()
	if made.Node != "n00" || !made.Candidates[0].Inputs.Stale || made.Refused[0].Code != scheduler.RefusedMemory {
		t.Errorf("%q won: %+v; want the stale one, as the fresh one has no room", made.Node, made.Refused)
	}
	if made := s.Decide(at(90), demand(1, 1, gib), 1).Decision(); made.Node != "" || made.Refused[0].Code != scheduler.RefusedDown || made.Refused[0].Count != 2 {
		t.Errorf("after the node timeout %q won: %+v", made.Node, made.Refused)
	}
}

// moby#35097: spread by the CPU that is promised, not by the number of tasks.
func TestSpreadIsNotByNumberOfTasks(t *testing.T) {
	for _, spec := range []string{"spread", "least-allocated", "epvm", "risk", "measured"} {
		s := newState(t, spec, 2)
		for i := range 2 {
			observe(t, s, reading(nodeName(i), 0))
		}
		place(t, s, scheduler.Placement{Demand: demand(1, 8, gib), Node: "n00", At: at(1), StartTime: scheduler.Absent()})
		for i := range 4 {
			place(t, s, scheduler.Placement{Demand: demand(2+i, 0.25, gib/8), Node: "n01", At: at(1), StartTime: scheduler.Absent()})
		}
		if made := s.Decide(at(1), demand(9, 1, gib), 1).Decision(); made.Node != "n01" {
			t.Errorf("%s: %q won, want n01, which has four small tasks", spec, made.Node)
		}
	}
}

// kubernetes#88077, #101820, nomad#11117: "why this node?" names every scorer,
// and the runners-up.
func TestDecisionNamesEveryScorer(t *testing.T) {
	s := newState(t, "epvm=2,spread=1,risk=0.5", 8)
	for i := range 8 {
		r := reading(nodeName(i), 0)
		r.CpuUsage = float64(i) / 10
		observe(t, s, r)
	}
	made := s.Decide(at(2), demand(1, 1, gib), 1).Decision()
	if len(made.Candidates) != 5 || made.Node != "n00" {
		t.Fatalf("%d candidates, %q first; want 5, n00 first", len(made.Candidates), made.Node)
	}
	for i, c := range made.Candidates {
		if c.Node != nodeName(i) || len(c.Components) != 3 {
			t.Fatalf("candidate %d is %+v, want %s with three components", i, c, nodeName(i))
		}
		e, sp, r := c.Components[0], c.Components[1], c.Components[2]
		if e.Scorer != "epvm" || sp.Scorer != "spread" || r.Scorer != "risk" {
			t.Errorf("the components are %+v", c.Components)
		}
		if want := (2*e.Score + sp.Score + 0.5*r.Score) / 3.5; math.Abs(c.Score-want) > 1e-9 {
			t.Errorf("%s scores %v, its components make %v", c.Node, c.Score, want)
		}
	}
}

// The book dropped a task that no node could take, without a word.
func TestEveryRefusalHasItsReason(t *testing.T) {
	s := stateWith(t, scheduler.Config{Policy: policyOf(t, "spread"), SpreadLimit: 1}, 0)
	d := demand(100, 3, 3*gib)
	d.Requests.Disk, d.Name, d.HostPorts = 50*gib, "web", []uint16{80}
	d.Constraints = []task.Constraint{{Label: "zone", Equal: true, Value: "a"}}
	d.Excluded = []scheduler.Refusal{
		{Node: "worker", Code: scheduler.RefusedByWorker, Reason: "no room"},
		{Node: "silent", Code: scheduler.RefusedUnreachable, Reason: "connection refused"},
	}
	add := func(n scheduler.Node, change func(*scheduler.Reading)) {
		if n.Labels == nil {
			n.Labels = map[string]string{"zone": "a"}
		}
		s.SetNode(n)
		r := reading(n.Name, 60)
		if change != nil {
			change(&r)
			observe(t, s, r)
		}
	}
	keep := func(*scheduler.Reading) {}
	add(scheduler.Node{Name: "drain", Draining: true}, keep)
	add(scheduler.Node{Name: "down"}, func(r *scheduler.Reading) { r.At = at(1) })
	add(scheduler.Node{Name: "unread"}, nil)
	add(scheduler.Node{Name: "worker"}, keep)
	add(scheduler.Node{Name: "silent"}, keep)
	add(scheduler.Node{Name: "stale"}, func(r *scheduler.Reading) { r.At = at(40) })
	add(scheduler.Node{Name: "zone", Labels: map[string]string{"zone": "b"}}, keep)
	add(scheduler.Node{Name: "label", Labels: map[string]string{"disk": "ssd"}}, keep)
	add(scheduler.Node{Name: "cpu"}, func(r *scheduler.Reading) { r.AllocatableCpu = 1 })
	add(scheduler.Node{Name: "memory"}, func(r *scheduler.Reading) { r.MemoryAvailable = 4 * gib })
	add(scheduler.Node{Name: "allocated"}, func(r *scheduler.Reading) { r.AllocatableMemory = 2 * gib })
	add(scheduler.Node{Name: "disk"}, func(r *scheduler.Reading) { r.DiskAvailable = 10 * gib })
	add(scheduler.Node{Name: "port"}, keep)
	add(scheduler.Node{Name: "spread"}, keep)
	add(scheduler.Node{Name: "fits"}, keep)
	holds := func(n int, node string, change func(*scheduler.Demand)) {
		h := demand(n, 0.5, 2*gib)
		change(&h)
		place(t, s, scheduler.Placement{Demand: h, Node: node, At: at(61), StartTime: scheduler.Absent()})
	}
	holds(1, "memory", func(*scheduler.Demand) {})
	holds(2, "port", func(h *scheduler.Demand) { h.HostPorts = []uint16{443, 80} })
	holds(3, "spread", func(h *scheduler.Demand) { h.Name = "web" })

	made := s.Decide(at(62), d, 1).Decision()
	if made.Node != "fits" || made.Passed != 1 || made.Nodes != 15 {
		t.Errorf("%q won of %d passed of %d, want \"fits\", the only one of 15", made.Node, made.Passed, made.Nodes)
	}
	got := make(map[string]string)
	for _, count := range made.Refused {
		for _, e := range count.Examples {
			got[e.Node] = string(count.Code) + ": " + e.Reason
		}
	}
	for node, want := range map[string]string{
		"drain":     "draining: draining: takes no new tasks",
		"down":      "down: not read for 61.0 s; down after 60.0 s",
		"unread":    "no_reading: never read",
		"worker":    "by_worker: no room",
		"silent":    "unreachable: connection refused",
		"stale":     "stale: its reading is 22.0 s old, stale after 15.0 s; nodes with a fresh one fit",
		"zone":      `constraint: needs zone==a; its zone is "b"`,
		"label":     "constraint: needs zone==a; it has no label zone",
		"cpu":       "cpu: needs 3 cores; 2 cores of 2 cores left to promise, 0 tasks asked for 0 cores",
		"memory":    "memory: needs 3GiB; 4GiB available, of which 2GiB is promised to 1 task and not used yet",
		"allocated": "memory: needs 3GiB; 2GiB of 2GiB allocatable left, 0 tasks asked for 0B",
		"disk":      "disk: needs 50GiB of disk; 10GiB available",
		"port":      "port: host port 80 is taken",
		"spread":    `spread: has 1 task named "web"; at most 1 a node`,
	} {
		if got[node] != want {
			t.Errorf("%s was refused with\n\t%s\nwant\n\t%s", node, got[node], want)
		}
	}
}

// A manager that has just started has no nodes: it refuses, alone and in a batch,
// under every policy, and so does one whose last node has left.
func TestNobodyIsThere(t *testing.T) {
	for _, spec := range policy.Names() {
		t.Run(spec, func(t *testing.T) {
			s := newState(t, spec, 0)
			for _, made := range append(s.DecideBatch(at(1), alikes()[:3], 9), s.Decide(at(1), demand(9, 1, gib), 9)) {
				d := made.Decision()
				if d.Node != "" || d.Nodes != 0 || d.Passed != 0 || len(d.Candidates) != 0 || len(d.Refused) != 0 {
					t.Errorf("of no nodes %+v was chosen", d)
				}
			}
			s.SetNode(scheduler.Node{Name: "gone"})
			observe(t, s, reading("gone", 1))
			put(t, s, at(1), demand(4, 1, gib), 1)
			s.RemoveNode("gone")
			if made := s.Decide(at(1), demand(5, 1, gib), 1).Decision(); made.Node != "" {
				t.Errorf("of no nodes left %q won", made.Node)
			}
		})
	}
}

// scheduler-plugins#453: by night tasks used nothing, so that nodes looked free and
// were given more and more; in the morning all of them began to work at once. Here
// what idle tasks asked for bounds how many there are, whatever is measured.
func TestIdleTasksAreNotStackedForTheMorning(t *testing.T) {
	for _, spec := range policy.Names() {
		s := newState(t, spec, 1)
		placed := 0
		for round := 1; ; round++ { // all that were placed before are measured at nothing
			r := reading("n00", float64(5*round))
			for i := range placed {
				r.Tasks = append(r.Tasks, scheduler.TaskReading{ID: taskID(i), CpuSeconds: 0.001, MemoryBytes: 1 << 20, StartTime: 1000})
			}
			observe(t, s, r)
			made := s.Decide(at(float64(5*round)), demand(placed, 4, gib), 1).Decision()
			if made.Node == "" {
				if made.Refused[0].Code != scheduler.RefusedCpu {
					t.Errorf("%s: refused for %s, want for what was promised of the CPU", spec, made.Refused[0].Code)
				}
				break
			}
			place(t, s, scheduler.Placement{Demand: demand(placed, 4, gib), Node: "n00", At: at(float64(5 * round)), StartTime: scheduler.Absent()})
			placed++
		}
		if placed != 16 { // overcommit 2 × 32 cores / 4
			t.Errorf("%s: a node of 32 cores was given %d idle tasks of 4, want 16", spec, placed)
		}
	}
}

// kubernetes#62422: a call over the network in the way of a decision made all of
// them wait. Here there is none to make: neither the scheduler nor a policy can
// reach the network, a file or a clock's timers, or wait for anybody.
func TestDecisionsCannotWait(t *testing.T) {
	able := regexp.MustCompile(`^(net|os|io|log|syscall|context|sync|database)(/|$)`)
	for _, folder := range []string{".", "policy"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", folder, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, imported := range file.Imports {
				if path := strings.Trim(imported.Path.Value, `"`); able.MatchString(path) {
					t.Errorf("%s imports %s", name, path)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt:
					t.Errorf("%s starts or waits for a goroutine", name)
				case *ast.SelectorExpr:
					if of, is := n.X.(*ast.Ident); is && of.Name == "time" && slices.Contains([]string{"Now", "Sleep", "After", "NewTimer", "Since"}, n.Sel.Name) {
						t.Errorf("%s asks the clock: time.%s", name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// The order in which nodes became known, and how they are laid out, decides
// nothing.
func TestOrderOfNodesDecidesNothing(t *testing.T) {
	build := func(order []int) *scheduler.State {
		s := newState(t, "epvm", 0)
		for _, i := range order {
			s.SetNode(scheduler.Node{Name: nodeName(i)})
			observe(t, s, reading(nodeName(i), 0))
		}
		return s
	}
	up, down := []int{}, []int{}
	for i := range 90 {
		up, down = append(up, i), append(down, 89-i)
	}
	a, b := build(up), build(down)
	winners := make(map[string]bool)
	for i := range 60 {
		d := demand(i, 0.5, gib)
		x, y := put(t, a, at(1), d, uint64(i)), put(t, b, at(1), d, uint64(i))
		if x != y {
			t.Fatalf("task %d went to %s and to %s", i, x, y)
		}
		winners[x] = true
	}
	if len(winners) != 60 {
		t.Errorf("60 tasks on 90 equal nodes went to %d of them, want one each", len(winners))
	}
}

func TestRemoveOfWhatIsNotPlaced(t *testing.T) {
	s := newState(t, "spread", 1)
	if err := s.Remove(taskID(1), scheduler.End{}); !errors.Is(err, scheduler.ErrNotPlaced) {
		t.Errorf("Remove answered %v, want ErrNotPlaced", err)
	}
	if err := s.Place(scheduler.Placement{Demand: demand(1, 1, 1), Node: "nowhere"}); !errors.Is(err, scheduler.ErrUnknownNode) {
		t.Errorf("Place answered %v, want ErrUnknownNode", err)
	}
	for _, cpu := range []float64{-1, math.NaN(), math.Inf(1)} {
		if err := s.Place(scheduler.Placement{Demand: demand(1, cpu, 1), Node: "n00"}); err == nil {
			t.Errorf("a task that asks for %v cores was placed", cpu)
		}
	}
}

func TestNewStateRefusesWhatCannotBe(t *testing.T) {
	good := policyOf(t, "spread")
	for name, cfg := range map[string]scheduler.Config{
		"no policy":         {},
		"down before stale": {Policy: good, StaleAfter: 2, DownAfter: 1},
		"negative limit":    {Policy: good, SpreadLimit: -1},
		"no weight":         {Policy: scheduler.Policy{Scorers: []scheduler.WeightedScorer{{Scorer: policy.EPVM{}}}}},
		"negative sample":   {Policy: scheduler.Policy{Scorers: good.Scorers, Sample: -1}},
		"overcommit":        {Policy: good, OvercommitCpu: math.NaN()},
	} {
		if _, err := scheduler.NewState(cfg); err == nil {
			t.Errorf("%s: NewState took %+v", name, cfg)
		}
	}
}
