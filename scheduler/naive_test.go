package scheduler_test

import (
	"cmp"
	"math"
	"slices"

	"github.com/google/uuid"

	"cube/scheduler"
)

// naive is what the state should be, kept in the simplest way: a list of what
// happened, from which everything is reckoned anew at every question.
type naive struct {
	cfg   scheduler.Config
	nodes map[string]*naiveNode
	tasks map[uuid.UUID]*naiveTask
}

type naiveNode struct {
	scheduler.Node
	reading *scheduler.Reading
	tasks   []*naiveTask // all there ever were
}

type naiveTask struct {
	scheduler.Placement
	end    *scheduler.End
	memory float64 // measured; absent until it is
}

func (m *naive) setNode(n scheduler.Node) {
	if m.nodes[n.Name] == nil {
		m.nodes[n.Name] = &naiveNode{}
	}
	m.nodes[n.Name].Node = n
}

func (m *naive) removeNode(name string) {
	for _, t := range m.nodes[name].tasks {
		if t.end == nil {
			delete(m.tasks, t.Task)
		}
	}
	delete(m.nodes, name)
}

func (m *naive) observe(r scheduler.Reading) {
	n := m.nodes[r.Node]
	n.reading = &r
	for _, told := range r.Tasks {
		if t := m.tasks[told.ID]; t != nil && t.Node == r.Node {
			t.memory = told.MemoryBytes
			if math.Abs(t.StartTime-told.StartTime) >= 0.1 || !scheduler.Known(t.StartTime) {
				t.StartTime = told.StartTime
			}
		}
	}
}

func (m *naive) place(p scheduler.Placement) {
	if t := m.tasks[p.Task]; t != nil {
		if t.Node == p.Node {
			if scheduler.Known(p.StartTime) {
				t.StartTime = p.StartTime
			}
			return
		}
		m.remove(p.Task, scheduler.End{At: p.At, FinishTime: scheduler.Absent()})
	}
	t := &naiveTask{Placement: p, memory: scheduler.Absent()}
	m.tasks[p.Task] = t
	m.nodes[p.Node].tasks = append(m.nodes[p.Node].tasks, t)
}

func (m *naive) remove(id uuid.UUID, e scheduler.End) {
	m.tasks[id].end = &e
	delete(m.tasks, id)
}

// overlap is which share of the reading's window the task ran in, by the words
// of the design.
func (n *naiveNode) overlap(t *naiveTask) float64 {
	r := n.reading
	toWorker := func(at scheduler.Instant) float64 { return r.Clock + at.Seconds() - r.At.Seconds() }
	start := t.StartTime
	if !scheduler.Known(start) {
		if scheduler.Known(r.TasksGeneration) {
			return 0 // the worker would have told it
		}
		start = toWorker(t.At)
	}
	end := r.Clock
	if t.end != nil {
		finish := t.end.FinishTime
		if !scheduler.Known(finish) {
			finish = toWorker(t.end.At)
		}
		end = min(end, finish)
	}
	return max(0, end-max(start, r.Clock-r.CpuWindow)) / r.CpuWindow
}

// naiveFigures are what is asked of the model.
type naiveFigures struct {
	cpuExpected, cpuPromised, memoryPromised, diskPromised float64
	memoryRoom, diskRoom, cpuRoom                          float64
	tasks                                                  int
}

func (n *naiveNode) figures(stale bool) naiveFigures {
	r := n.reading
	f := naiveFigures{cpuExpected: r.CpuUsage * r.CpuCores}
	unused, fresh := 0.0, 0.0
	for _, t := range n.tasks {
		p := t.Requests.Cpu
		if t.end != nil {
			f.cpuExpected -= p * n.overlap(t)
			continue
		}
		f.tasks++
		f.cpuExpected += p * (1 - n.overlap(t))
		f.cpuPromised += p
		f.memoryPromised += float64(t.Requests.Memory)
		f.diskPromised += float64(t.Requests.Disk)
		used := t.memory
		if !scheduler.Known(used) {
			used = 0
		}
		unused += max(0, float64(t.Requests.Memory)-used)
		if t.At > r.At {
			fresh += float64(t.Requests.Disk)
		}
	}
	f.cpuExpected = max(0, f.cpuExpected)
	if stale {
		f.cpuExpected = f.cpuPromised
	}
	f.cpuRoom = r.OvercommitCpu*r.AllocatableCpu - f.cpuPromised
	f.memoryRoom = min(r.MemoryAvailable-unused, r.AllocatableMemory-f.memoryPromised)
	f.diskRoom = max(0, min(r.AllocatableDisk-f.diskPromised, r.DiskAvailable-fresh))
	return f
}

func (m *naive) health(n *naiveNode, now scheduler.Instant) scheduler.NodeHealth {
	if n.reading == nil {
		return scheduler.Unknown
	}
	age := (now - n.reading.At).Seconds()
	switch {
	case age > 60:
		return scheduler.Down
	case n.Draining:
		return scheduler.Draining
	case age > 15:
		return scheduler.Stale
	}
	return scheduler.Ready
}

// refusal is the reason the model has against a node; empty for none.
func (m *naive) refusal(n *naiveNode, now scheduler.Instant, d *scheduler.Demand) scheduler.Code {
	health := m.health(n, now)
	switch health {
	case scheduler.Unknown:
		return scheduler.RefusedNoReading
	case scheduler.Down:
		return scheduler.RefusedDown
	case scheduler.Draining:
		return scheduler.RefusedDraining
	}
	for _, e := range d.Excluded {
		if e.Node == n.Name {
			return e.Code
		}
	}
	for _, c := range d.Constraints {
		if !c.Met(n.Labels) {
			return scheduler.RefusedConstraint
		}
	}
	f := n.figures(false)
	const dust = 1e-7 // cores; the model adds up floating-point numbers
	switch {
	case d.Requests.Cpu > f.cpuRoom+dust:
		return scheduler.RefusedCpu
	case float64(d.Requests.Memory) > f.memoryRoom:
		return scheduler.RefusedMemory
	case float64(d.Requests.Disk) > f.diskRoom:
		return scheduler.RefusedDisk
	}
	named := 0
	for _, t := range n.tasks {
		if t.end != nil {
			continue
		}
		if t.Name == d.Name && t.Name != "" {
			named++
		}
		for _, port := range d.HostPorts {
			if slices.Contains(t.HostPorts, port) {
				return scheduler.RefusedPort
			}
		}
	}
	if m.cfg.SpreadLimit > 0 && named >= m.cfg.SpreadLimit {
		return scheduler.RefusedSpreadLimit
	}
	if health == scheduler.Stale {
		return scheduler.RefusedStale
	}
	return ""
}

// priced is a node with what the plain loop reckons it costs.
type priced struct {
	node string
	key  float64
	tie  uint64
}

// decide is the plain loop: every node is filtered and priced by itself.
func (m *naive) decide(s *scheduler.State, now scheduler.Instant, d *scheduler.Demand, seed uint64) ([]priced, map[scheduler.Code]int) {
	var fresh, stale []priced
	refused := make(map[scheduler.Code]int)
	for name, n := range m.nodes {
		switch code := m.refusal(n, now, d); code {
		case "":
			fresh = append(fresh, m.price(s, name, now, d, seed))
		case scheduler.RefusedStale:
			stale = append(stale, m.price(s, name, now, d, seed))
		default:
			refused[code]++
		}
	}
	list := fresh
	if len(fresh) == 0 {
		list = stale
	} else if len(stale) > 0 {
		refused[scheduler.RefusedStale] = len(stale)
	}
	slices.SortFunc(list, func(a, b priced) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.tie, b.tie), cmp.Compare(a.node, b.node))
	})
	return list, refused
}

// price asks the scorers about one node, by the figures the state shows.
func (m *naive) price(s *scheduler.State, name string, now scheduler.Instant, d *scheduler.Demand, seed uint64) priced {
	inputs, _, _ := s.Inspect(name, now)
	figures := inputs.Figures()
	asked := scheduler.Asked{Cpu: d.Requests.Cpu, Memory: float64(d.Requests.Memory), Disk: float64(d.Requests.Disk)}
	asked.CpuPredicted, asked.CpuVariance = s.Expects(*d)
	sum, weights := 0.0, 0.0
	for _, w := range m.cfg.Policy.Scorers {
		var terms scheduler.Terms
		w.Terms(&figures, s.Base(), &terms)
		factors := w.Factors(&asked, figures.Capacity(), s.Base())
		cost := scheduler.Cost(w.Scorer, terms, s.GroupDeviation(name, *d), &factors)
		if len(m.cfg.Policy.Scorers) == 1 {
			return priced{node: name, key: float64(cost), tie: scheduler.Tie(seed, name)}
		}
		sum += w.Weight * w.Score(cost, s.Base())
		weights += w.Weight
	}
	return priced{node: name, key: 100 - sum/weights, tie: scheduler.Tie(seed, name)}
}
