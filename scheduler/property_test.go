package scheduler_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/worker/task"
)

// chaos drives a state and the model through the same random events.
type chaos struct {
	t      *testing.T
	state  *scheduler.State
	model  *naive
	random *rand.Rand
	now    float64 // seconds
	tasks  int
	names  []string
	cpu    bool // readings tell the tasks' CPU
	spread int  // by how many bits the figures of two nodes' capacities differ; 0 is not at all
}

func newChaos(t *testing.T, cfg scheduler.Config, seed uint64, names int) *chaos {
	c := &chaos{
		t: t, state: stateWith(t, cfg, 0), random: rand.New(rand.NewPCG(seed, 7)), now: 1,
		model: &naive{cfg: cfg, nodes: make(map[string]*naiveNode), tasks: make(map[uuid.UUID]*naiveTask)},
	}
	for i := range names {
		c.names = append(c.names, nodeName(i))
	}
	return c
}

// step does one random thing to both.
func (c *chaos) step() {
	c.now += c.random.ExpFloat64() * 0.2
	name := c.names[c.random.IntN(len(c.names))]
	known := c.model.nodes[name] != nil
	switch n := c.random.IntN(100); {
	case !known || n < 2:
		c.setNode(name)
	case n < 3:
		c.state.RemoveNode(name)
		c.model.removeNode(name)
	case n < 4:
		c.now += c.random.Float64() * 20 // some readings go stale
	case n < 35:
		c.observe(name)
	case n < 75:
		c.place(name)
	case n < 82:
		c.start()
	default:
		c.remove()
	}
}

func (c *chaos) setNode(name string) {
	n := scheduler.Node{Name: name, Draining: c.random.IntN(15) == 0,
		Labels: map[string]string{"zone": string(rune('a' + c.random.IntN(3)))}}
	c.state.SetNode(n)
	c.model.setNode(n)
}

func (c *chaos) observe(name string) {
	r := reading(name, c.now)
	size := float64(1 + c.random.IntN(2))
	r.CpuCores, r.AllocatableCpu = 16*size, 15*size
	if c.spread > 0 {
		for _, v := range []*float64{&r.CpuCores, &r.AllocatableCpu, &r.MemoryTotal, &r.AllocatableMemory, &r.AllocatableDisk} {
			*v *= 1 - c.random.Float64()/float64(int(1)<<(53-c.spread))
		}
	}
	r.CpuUsage = c.random.Float64()
	r.MemoryAvailable = math.Floor(r.MemoryTotal * c.random.Float64())
	r.DiskAvailable = math.Floor(r.DiskTotal * c.random.Float64())
	r.CpuWindow = float64(2 + int(name[len(name)-1]-'0')) // a worker keeps to its own
	if name[len(name)-1]%3 == 0 {                         // one that tells no tasks
		r.TasksGeneration = scheduler.Absent()
	} else {
		for _, t := range c.model.nodes[name].tasks {
			if t.end == nil && c.random.IntN(5) > 0 {
				r.Tasks = append(r.Tasks, c.taskReading(&r, t))
			}
		}
	}
	observe(c.t, c.state, r)
	c.model.observe(r)
}

func (c *chaos) taskReading(r *scheduler.Reading, t *naiveTask) scheduler.TaskReading {
	start := t.StartTime
	if !scheduler.Known(start) {
		start = 1000 + t.At.Seconds() + 0.05
	}
	told := scheduler.TaskReading{
		ID: t.Task, StartTime: start, CpuSeconds: scheduler.Absent(),
		MemoryBytes: math.Floor(float64(t.Requests.Memory) * 1.2 * c.random.Float64()),
	}
	if c.cpu {
		told.CpuSeconds = max(0, r.Clock-start) * t.Requests.Cpu * 0.5
	}
	return told
}

func (c *chaos) demand() scheduler.Demand {
	c.tasks++
	d := demand(c.tasks, float64(1+c.random.IntN(8))/10, task.Bytes(c.random.IntN(4<<30)))
	d.Requests.Disk = task.Bytes(c.random.IntN(30 << 30))
	d.Name = fmt.Sprintf("name%d", c.random.IntN(40))
	if c.random.IntN(4) == 0 {
		d.HostPorts = []uint16{uint16(8000 + c.random.IntN(20))}
	}
	if c.random.IntN(4) == 0 {
		d.Constraints = []task.Constraint{{Label: "zone", Equal: c.random.IntN(2) == 0, Value: "a"}}
	}
	if c.random.IntN(6) == 0 {
		d.Excluded = []scheduler.Refusal{{Node: c.names[c.random.IntN(len(c.names))], Code: scheduler.RefusedByWorker}}
	}
	return d
}

func (c *chaos) place(name string) {
	p := scheduler.Placement{Demand: c.demand(), Node: name, At: at(c.now), StartTime: scheduler.Absent()}
	if c.random.IntN(10) == 0 { // moves one that is there
		if t := c.anyTask(); t != nil {
			p.Demand = t.Demand
		}
	}
	place(c.t, c.state, p)
	c.model.place(p)
}

func (c *chaos) start() {
	if t := c.anyTask(); t != nil {
		p := t.Placement
		p.StartTime = 1000 + t.At.Seconds() + c.random.Float64()*3
		place(c.t, c.state, p)
		c.model.place(p)
	}
}

func (c *chaos) remove() {
	t := c.anyTask()
	if t == nil {
		return
	}
	e := scheduler.End{At: at(c.now), FinishTime: scheduler.Absent()}
	if c.random.IntN(2) == 0 {
		e.FinishTime = 1000 + c.now - c.random.Float64()
	}
	if err := c.state.Remove(t.Task, e); err != nil {
		c.t.Fatal(err)
	}
	c.model.remove(t.Task, e)
}

// anyTask picks a live task; the order of maps must not choose.
func (c *chaos) anyTask() *naiveTask {
	for range 20 {
		if t := c.model.tasks[taskID(1+c.random.IntN(c.tasks+1))]; t != nil {
			return t
		}
	}
	return nil
}

// compare holds what the state shows of every node against the model.
func (c *chaos) compare() {
	c.t.Helper()
	for name, n := range c.model.nodes {
		in, health, known := c.state.Inspect(name, at(c.now))
		if !known || health != c.model.health(n, at(c.now)) {
			c.t.Fatalf("node %s is %v (known: %v), want %v", name, health, known, c.model.health(n, at(c.now)))
		}
		if n.reading == nil {
			continue
		}
		want := n.figures(health == scheduler.Stale)
		for _, f := range []struct {
			what      string
			got, want float64
		}{
			{"CPU expected", in.CpuExpected, want.cpuExpected},
			{"CPU promised", in.CpuPromised, want.cpuPromised},
			{"memory promised", in.MemoryPromised, want.memoryPromised},
			{"disk promised", in.DiskPromised, want.diskPromised},
			{"disk room", in.DiskLimit - in.DiskExpected, want.diskRoom},
			{"CPU room", in.CpuLimit - in.CpuPromised, want.cpuRoom},
			{"memory room", min(in.MemoryLimit-in.MemoryPromised, in.MemoryTotal.Value()-in.MemoryExpected), want.memoryRoom},
			{"tasks", float64(in.Tasks), float64(want.tasks)},
		} {
			if math.Abs(f.got-f.want) > 1e-6 {
				c.t.Fatalf("at %v s node %s: %s is %v, want %v", c.now, name, f.what, f.got, f.want)
			}
		}
	}
}

func TestStateIsWhatHappened(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			c := newChaos(t, scheduler.Config{Policy: policyOf(t, "spread")}, seed, 6)
			for range 2000 {
				c.step()
				c.compare()
			}
		})
	}
}

// A state that everything has left looks like one where nothing was.
func TestNothingLeaks(t *testing.T) {
	c := newChaos(t, scheduler.Config{Policy: policyOf(t, "measured")}, 3, 6)
	c.cpu = true
	for range 5000 {
		c.step()
	}
	for _, p := range c.model.tasks {
		if err := c.state.Remove(p.Task, scheduler.End{At: at(c.now), FinishTime: scheduler.Absent()}); err != nil {
			t.Fatal(err)
		}
	}
	fresh := stateWith(t, scheduler.Config{Policy: policyOf(t, "measured")}, 0)
	for name, n := range c.model.nodes {
		fresh.SetNode(n.Node)
		r := reading(name, c.now+100)
		observe(t, c.state, r)
		observe(t, fresh, r)
		got, _, _ := c.state.Inspect(name, at(c.now+101))
		want, _, _ := fresh.Inspect(name, at(c.now+101))
		if got.CpuExpected != want.CpuExpected || got.CpuPromised != 0 || got.MemoryExpected != want.MemoryExpected ||
			got.MemoryPromised != 0 || got.DiskExpected != want.DiskExpected || got.Tasks != 0 ||
			got.CpuVariance != 0 || got.CpuTogether != 0 {
			t.Errorf("node %s kept something of tasks that left:\n%+v\nwant\n%+v", name, got, want)
		}
	}
}

// Decide gives the winner, the next four and the counts that a plain loop over
// all nodes gives.
func TestDecideIsThePlainLoop(t *testing.T) {
	specs := []string{"epvm", "spread", "binpack", "least-allocated", "most-allocated", "target", "risk", "roundrobin",
		"measured", "measured=2,epvm=1", "target=1,binpack=2"}
	for _, spec := range specs {
		for _, bits := range []int{0, 25, 53} { // of capacities: few, some bytes apart, all different
			t.Run(fmt.Sprintf("%s/%d", spec, bits), func(t *testing.T) {
				cfg := scheduler.Config{Policy: policyOf(t, spec), SpreadLimit: 3}
				c := newChaos(t, cfg, 11, 300)
				c.cpu, c.spread = true, bits
				rounds := 200
				if bits > 0 {
					rounds = 80
				}
				plainLoops(c, rounds)
			})
		}
	}
}

func plainLoops(c *chaos, rounds int) {
	for range 10 * rounds {
		c.step()
	}
	for i := range rounds {
		c.step()
		if i == rounds*3/4 {
			c.now += 20 // all are stale
		}
		d := c.demand()
		if i%10 == 0 {
			d.Requests.Cpu, d.Requests.Memory = 20, 100<<30
		}
		checkDecision(c, d, uint64(i))
		c.tasks--
	}
}

func checkDecision(c *chaos, d scheduler.Demand, seed uint64) {
	c.t.Helper()
	made := c.state.Decide(at(c.now), d, seed).Decision()
	want, refused := c.model.decide(c.state, at(c.now), &d, seed)
	if made.Passed != len(want) || made.Nodes != len(c.model.nodes) {
		c.t.Fatalf("%d of %d nodes passed, want %d of %d", made.Passed, made.Nodes, len(want), len(c.model.nodes))
	}
	checkAges(c, &made)
	var got, names []string
	for _, candidate := range made.Candidates {
		got = append(got, candidate.Node)
	}
	for _, p := range want[:min(5, len(want))] {
		names = append(names, p.node)
	}
	if !slices.Equal(got, names) {
		c.t.Fatalf("the best are %v, want %v", got, want[:min(6, len(want))])
	}
	if len(names) > 0 && made.Node != names[0] {
		c.t.Fatalf("the winner is %s, want %s", made.Node, names[0])
	}
	counts := make(map[scheduler.Code]int)
	for _, r := range made.Refused {
		counts[r.Code] = r.Count
		if len(r.Examples) != min(3, r.Count) {
			c.t.Fatalf("%d examples of %d refused for %s", len(r.Examples), r.Count, r.Code)
		}
		for i, e := range r.Examples {
			if e.Reason == "" && r.Code != scheduler.RefusedByWorker || i > 0 && e.Node <= r.Examples[i-1].Node {
				c.t.Fatalf("examples of %s are not named in order, or without a reason: %+v", r.Code, r.Examples)
			}
		}
	}
	if fmt.Sprint(counts) != fmt.Sprint(refused) {
		c.t.Fatalf("refused %v, want %v", counts, refused)
	}
}

// checkAges holds the ages of the readings against those of all nodes that
// have one to go by.
func checkAges(c *chaos, made *scheduler.Decision) {
	c.t.Helper()
	oldest, newest := scheduler.Absent(), scheduler.Absent()
	for _, n := range c.model.nodes {
		switch c.model.health(n, at(c.now)) {
		case scheduler.Ready, scheduler.Stale:
			age := (at(c.now) - n.reading.At).Seconds()
			if !(oldest >= age) {
				oldest = age
			}
			if !(newest <= age) {
				newest = age
			}
		}
	}
	if made.OldestReading != scheduler.FigureOf(oldest) || made.NewestReading != scheduler.FigureOf(newest) {
		c.t.Fatalf("readings are %v to %v s old, want %v to %v", made.NewestReading, made.OldestReading, newest, oldest)
	}
}

func policyOf(t testing.TB, spec string) scheduler.Policy {
	t.Helper()
	p, err := policy.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
