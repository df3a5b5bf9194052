package policy_test

import (
	"math"
	"testing"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// score is what a policy of one scorer makes of one node.
func score(t *testing.T, spec string, n scheduler.Figures, d scheduler.Asked, base float64) float64 {
	t.Helper()
	p, err := policy.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Scorers[0]
	var terms scheduler.Terms
	s.Terms(&n, base, &terms)
	factors := s.Factors(&d, n.Capacity(), base)
	var out [1]float32
	s.Costs(&scheduler.Columns{
		Term:  columns(terms),
		Group: []float32{float32(n.CpuGroup)},
	}, &factors, out[:])
	return s.Score(out[0], base)
}

// columns are those of one node.
func columns(terms scheduler.Terms) (c [][]float32) {
	for i := range terms {
		c = append(c, terms[i:i+1])
	}
	return c
}

// machine is a node with so much in all, promised and in use alike.
func machine(cores, memory, cpu, used float64) scheduler.Figures {
	return scheduler.Figures{
		CpuCores: cores, CpuLimit: cores, CpuExpected: cpu, CpuPromised: cpu, CpuMean: cpu,
		MemoryTotal: memory, MemoryLimit: memory, MemoryExpected: used, MemoryPromised: used,
		DiskLimit: 100,
	}
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s scores %v, want %v", what, got, want)
	}
}

// The cases of Kubernetes' own least_allocated_test.go and
// most_allocated_test.go that have CPU and memory with equal weights, in
// thousandths of cores and bytes. Kubernetes rounds down at each step. Left out is
// "requested resources exceed node capacity": there the filters refuse before
// anything is scored. Where only one of the two files has a case, the other score
// is 100 less it.
func TestKubernetesTables(t *testing.T) {
	cases := []struct {
		name                string
		cpu, memory         float64 // capacity
		usedCpu, usedMemory float64
		askCpu, askMemory   float64
		least, most         float64
	}{
		{"nothing scheduled, nothing requested", 4000, 10000, 0, 0, 0, 0, 100, 0},
		{"nothing scheduled, resources requested, the smaller node", 4000, 10000, 0, 0, 3000, 5000, 37, 62},
		{"nothing scheduled, resources requested, the larger node", 6000, 10000, 0, 0, 3000, 5000, 50, 50},
		{"resources requested, pods scheduled with resources", 10000, 20000, 3000, 5000, 3000, 5000, 45, 55},
		{"the same with twice the memory", 10000, 50000, 3000, 5000, 3000, 5000, 60, 40},
		{"no resources requested, pods scheduled with resources, memory too", 10000, 20000, 6000, 5000, 0, 0, 57, 42},
		{"no resources requested, pods scheduled with resources, CPU alone", 10000, 20000, 6000, 0, 0, 0, 70, 30},
		{"resources requested, pods scheduled with resources, CPU alone before", 10000, 20000, 3000, 0, 3000, 5000, 57, 42},
		{"resources requested equal node capacity, CPU", 5000, 10000, 0, 0, 5000, 9000, 5, 95},
		{"resources requested equal node capacity, memory", 10000, 9000, 0, 0, 5000, 9000, 25, 75},
		{"if the node doesn't have a resource", 6000, 10000, 0, 0, 3000, 4000, 55, 45},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := machine(c.cpu, c.memory, c.usedCpu, c.usedMemory)
			d := scheduler.Asked{Cpu: c.askCpu, CpuPredicted: c.askCpu, Memory: c.askMemory}
			near(t, "least-allocated", math.Floor(score(t, "least-allocated", n, d, 2)+1e-4), c.least, 0)
			near(t, "most-allocated", math.Floor(score(t, "most-allocated", n, d, 2)+1e-4), c.most, 0)
		})
	}
}

// The cases of Nomad's funcs_test.go (TestScoreFitBinPack): a node of 4096 MHz
// and 8192 MB, of which half is reserved for the system.
func TestNomadTable(t *testing.T) {
	cases := []struct {
		name            string
		cpu, memory     float64 // of the 2048 and 4096 that are left
		binpack, spread float64 // of 18
	}{
		{"almost filled node, but not quite", 2048, 4096, 18, 0},
		{"unutilized node", 0, 0, 0, 18},
		{"half utilized", 1024, 2048, 13.675, 4.325},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := machine(2048, 4096, 0, 0)
			d := scheduler.Asked{Cpu: c.cpu, CpuPredicted: c.cpu, Memory: c.memory}
			near(t, "binpack", score(t, "binpack", n, d, 2)*18/100, c.binpack, 1e-3)
			near(t, "spread", score(t, "spread", n, d, 2)*18/100, c.spread, 1e-3)
		})
	}
}

// The cases of Trimaran's targetloadpacking_test.go (TestTargetLoadPackingScoring):
// a node of 1,000 thousandths of a core. "404 resp from watcher", a node without
// metrics, scores 0 there; here it is refused (TestNodeWithoutReadingNeverWins).
func TestTrimaranTargetTable(t *testing.T) {
	cases := []struct {
		name     string
		use, ask float64
		want     float64 // Trimaran rounds
	}{
		{"new node", 0, 0, 40},
		{"hot node", 500, 0, 33},
		{"excess utilization returns min score", 300, 1000, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := score(t, "target", machine(1000, 1<<30, c.use, 0), scheduler.Asked{CpuPredicted: c.ask}, 2)
			near(t, "target", math.Round(got), c.want, 0)
		})
	}
}

// The curve of Trimaran's TargetLoadPacking documentation at T = 40.
func TestTrimaranTargetCurve(t *testing.T) {
	for use, want := range map[float64]float64{0: 40, 10: 55, 20: 70, 40: 100, 41: 39.333, 70: 20, 100: 0, 130: 0} {
		n := machine(100, 100, use, 0)
		near(t, "use of "+percentText(use), score(t, "target", n, scheduler.Asked{}, 2), want, 1e-3)
	}
	// Beyond the whole, the less used still goes first: the costs differ.
	var costs [2]float32
	policy.Target{}.Costs(&scheduler.Columns{Term: [][]float32{{110, 150}}}, &scheduler.Factors{}, costs[:])
	if costs[0] >= costs[1] {
		t.Errorf("110 %% costs %v and 150 %% costs %v; want less for the less used", costs[0], costs[1])
	}
}

func percentText(v float64) string {
	return string(rune('0'+int(v)/100%10)) + string(rune('0'+int(v)/10%10)) + string(rune('0'+int(v)%10)) + " %"
}

// The cases of Trimaran's loadvariationriskbalancing_test.go (TestScore), and of
// its analysis_test.go (TestComputeScore) that with margin and sensitivity of 1: a
// node of 1,000 thousandths of a core and 1,024 MiB. Its "404 resp from watcher",
// a node without metrics, scores 0 there; here it is refused.
func TestTrimaranRiskTable(t *testing.T) {
	cases := []struct {
		name                 string
		cpu, cpuDeviation    float64 // percent
		memory, memDeviation float64 // percent
		askCpu, askMemory    float64 // thousandths of a core, MiB
		want                 float64 // Trimaran rounds
	}{
		{name: "new node", cpu: 50, want: 75},
		{name: "hot node", cpu: 100, want: 50},
		{name: "average and stDev metrics", cpu: 30, cpuDeviation: 16, askCpu: 200, askMemory: 256, want: 67},
		{name: "CPU and Memory metrics", cpu: 40, cpuDeviation: 16, memory: 50, memDeviation: 10, askCpu: 100, askMemory: 512, want: 45},
		{name: "pick worst case: CPU or Memory", cpu: 80, cpuDeviation: 20, memory: 25, memDeviation: 15, askCpu: 100, askMemory: 512, want: 45},
		{name: "valid data", cpu: 40, cpuDeviation: 36, askCpu: 100, want: 57},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := machine(1000, 1024, 10*c.cpu, 10.24*c.memory)
			n.CpuDeviation, n.MemoryDeviation = c.cpuDeviation/100, c.memDeviation/100
			got := score(t, "risk", n, scheduler.Asked{CpuPredicted: c.askCpu, Memory: c.askMemory}, 2)
			near(t, "risk", math.Round(got), c.want, 0)
		})
	}
}

// Trimaran's LoadVariationRiskBalancing: (1 − (μ + σ)/2)·100, the least of the
// resources.
func TestTrimaranRisk(t *testing.T) {
	cases := []struct {
		name                     string
		cpu, deviation, ask, mem float64 // percent
		want                     float64
	}{
		{"idle and steady", 0, 0, 0, 0, 100},
		{"μ 0.5, σ 0.25", 40, 0.25, 10, 0, 62.5},
		{"memory decides", 10, 0, 0, 80, 60},
		{"μ 0.6 steady", 60, 0, 0, 0, 70},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := machine(100, 100, c.cpu, c.mem)
			n.CpuDeviation = c.deviation
			near(t, "risk", score(t, "risk", n, scheduler.Asked{CpuPredicted: c.ask}, 2), c.want, 1e-4)
		})
	}
}

// The book's E-PVM read the memory's cost for the CPU's, so that a node 95 %
// busy and one 5 % busy scored the same.
func TestEPVMTellsBusyFromIdle(t *testing.T) {
	d := scheduler.Asked{CpuPredicted: 1, Memory: 1}
	busy := score(t, "epvm", machine(20, 100, 19, 50), d, 10)
	idle := score(t, "epvm", machine(20, 100, 1, 50), d, 10)
	if !(idle > busy+10) {
		t.Errorf("a node 95 %% busy scores %v, one 5 %% busy %v; want the idle one well above", busy, idle)
	}
}

// Amir et al.: the sum over resources of n^(u+d) − n^u.
func TestEPVMIsTheOpportunityCost(t *testing.T) {
	n := machine(10, 200, 4, 100)
	n.DiskExpected = 25
	d := scheduler.Asked{CpuPredicted: 1, Memory: 20, Disk: 5}
	const base = 8.0
	cost := math.Pow(base, 0.5) - math.Pow(base, 0.4) + math.Pow(base, 0.6) - math.Pow(base, 0.5) + math.Pow(base, 0.3) - math.Pow(base, 0.25)
	near(t, "epvm", score(t, "epvm", n, d, base), 100*(1-math.Log1p(cost)/math.Log1p(3*(base-1))), 1e-4)
}

// The worked example of the doc comment.
func TestMeasuredWorkedExample(t *testing.T) {
	d := scheduler.Asked{CpuPredicted: 0.3, CpuVariance: 0.16}
	cost := func(tasks float64) float64 {
		n := machine(8, 100, tasks*0.3, 0)
		n.CpuVariance = tasks * 0.16
		n.CpuTogether = n.CpuVariance // no two are alike
		root := 1 - score(t, "measured", n, d, 2)/100
		return root * root
	}
	near(t, "the node with 20 tasks", cost(20), 0.0071, 5e-5)
	near(t, "the node with 12 tasks", cost(12), 0.0001, 2e-5)
	memory := func(tasks float64) float64 {
		n := machine(8, 100, 0, tasks*8)
		n.MemorySquares = tasks * 64
		root := 1 - score(t, "measured", n, scheduler.Asked{Memory: 8}, 2)/100
		return root * root
	}
	near(t, "the node with 10 tasks of 8 of 100 GiB", memory(10), 0.00279, 5e-6)
	near(t, "the node with 5 of them", memory(5), 0, 1e-12)
}

// Whatever is not known is taken to be in use.
func TestMissingFiguresNeverLookEmpty(t *testing.T) {
	absent := scheduler.Absent()
	d := scheduler.Asked{Cpu: 1, CpuPredicted: 1, Memory: 1}
	for _, spec := range []string{"epvm", "spread", "least-allocated", "target", "risk", "measured"} {
		blind := machine(absent, absent, absent, absent)
		half := machine(10, 10, 5, 5)
		if got, than := score(t, spec, blind, d, 4), score(t, spec, half, d, 4); !(got < than) || math.IsNaN(got) {
			t.Errorf("%s: a node without figures scores %v, one half full %v", spec, got, than)
		}
	}
}
