package scheduler

import (
	"math"
	"slices"
)

// Node is a machine that tasks can be placed on.
type Node struct {
	Name   string
	Labels map[string]string
	// Draining nodes keep what they have and take no new tasks.
	Draining bool
}

// NodeHealth is how far a node's figures can be trusted.
type NodeHealth string

// The healths there are; the words are those of the manager's API.
const (
	Unknown  NodeHealth = "unknown"  // never read, or without the figures a promise needs
	Ready    NodeHealth = "ready"    // its reading is fresh
	Stale    NodeHealth = "stale"    // its reading is old
	Draining NodeHealth = "draining" // takes no new tasks
	Down     NodeHealth = "down"     // not read for too long
)

// node is everything the state knows of a node, and the truth behind the
// columns.
type node struct {
	// What points elsewhere stands first: the garbage collector looks no
	// further.
	Node
	seen    // as the node is now
	live    []*placed
	gone    []*placed // left the node, still in its window
	groups  []groupSum
	reading Reading // without Tasks

	hash  uint64
	slot  int   // in the columns
	rank  int32 // in the order of names
	dirty bool

	read    bool
	reread  bool    // since the columns were brought up to date
	emptied bool    // some of groups may be
	usage   moments // of CpuUsage
	memory  moments // of the used share of memory
	other   other   // CPU that no measured task accounts for
}

// group is what tasks that ask for the same have in common.
type group struct{ cpu, memory int64 }

// groupSum sums up a group's tasks on one node.
type groupSum struct {
	group
	tasks     int
	deviation float64 // cores: Σ √variance
}

// add puts t among the node's live tasks.
func (n *node) add(t *placed, expects estimate) {
	t.node, t.index = n, len(n.live)
	n.live = append(n.live, t)
	n.tasks++
	n.cpu += t.cpu
	n.mem += t.memory
	n.squares += squareMiB(t.memory)
	n.disk += t.disk
	n.hold(t, expects)
}

// drop takes t from the live tasks. What it used stays in the window.
func (n *node) drop(t *placed) {
	n.release(t)
	last := len(n.live) - 1
	n.live[t.index] = n.live[last]
	n.live[t.index].index = t.index
	n.live[last] = nil
	n.live = n.live[:last]
	n.tasks--
	n.cpu -= t.cpu
	n.mem -= t.memory
	n.squares -= squareMiB(t.memory)
	n.disk -= t.disk
	if last == 0 {
		n.expects, n.together = estimate{}, 0 // so that no rounding is left behind
	}
}

// squareMiB is the square of a request in whole MiB², so that sums of them stay
// exact.
func squareMiB(bytes int64) int64 {
	most := int64(1) << 26 // 64 TiB
	mib := min(bytes>>20, most)
	return mib * mib
}

// hold reckons what the live task t, which is expected to use so much, holds of
// the node's sums, by the reading.
func (n *node) hold(t *placed, expects estimate) {
	t.expects = expects
	t.missing = int64(math.Round(1e9 * t.expects.mean * (1 - n.overlap(t))))
	t.unused = t.memory
	if Known(t.meter.memory) {
		t.unused = max(0, t.memory-int64(t.meter.memory))
	}
	t.fresh = !n.read || t.at > n.reading.At
	n.missing += t.missing
	n.unused += t.unused
	if t.fresh {
		n.fresh += t.disk
	}
	n.expect(t, 1)
}

// release gives back what hold took.
func (n *node) release(t *placed) {
	n.missing -= t.missing
	n.unused -= t.unused
	if t.fresh {
		n.fresh -= t.disk
	}
	n.expect(t, -1)
}

// expect adds t to what the node's tasks are expected to use, or takes it away.
// A task that is not measured by itself is in the remainder of the node's use
// as far as the reading holds it.
func (n *node) expect(t *placed, sign int) {
	mean := t.expects.mean
	if !Known(t.meter.mean) {
		mean = cores(t.missing)
	}
	n.expects.mean += float64(sign) * mean
	n.expects.variance += float64(sign) * t.expects.variance
	g := n.group(group{t.cpu, t.memory})
	n.together -= g.deviation * g.deviation
	g.tasks += sign
	g.deviation += float64(sign) * math.Sqrt(t.expects.variance)
	if g.tasks == 0 {
		g.deviation, n.emptied = 0, true
	}
	n.together += g.deviation * g.deviation
}

// group returns the sums of a group, new ones if there are none.
func (n *node) group(key group) *groupSum {
	for i := range n.groups {
		if n.groups[i].group == key {
			return &n.groups[i]
		}
	}
	n.groups = append(n.groups, groupSum{group: key})
	return &n.groups[len(n.groups)-1]
}

// leave keeps the ended task t for as long as a window can hold some of its
// use. It reports whether there is anything to keep.
func (n *node) leave(t *placed) bool {
	if !n.read {
		t.missing = 0
		return true // until there is a window to judge by
	}
	clock, w := n.clock(), n.window()
	if clock >= n.finishOf(t)+w || n.startOf(t) > n.finishOf(t) {
		return false
	}
	t.missing = int64(math.Round(1e9 * t.used() * n.overlap(t)))
	n.leaving += t.missing
	return true
}

// overlap returns which share of the reading's window t ran in.
func (n *node) overlap(t *placed) float64 {
	if !n.read {
		return 0
	}
	return within(n.startOf(t), n.finishOf(t), n.clock(), n.window())
}

// clock is the worker's clock at the reading; where the page had none, the
// manager's stands in.
func (n *node) clock() float64 {
	if Known(n.reading.Clock) {
		return n.reading.Clock
	}
	return n.reading.At.Seconds()
}

// window is how long a time the CPU usage is an average of, in seconds. One
// that is not said is an instant.
func (n *node) window() float64 { return orZero(n.reading.CpuWindow) }

// startOf returns when t started, on the worker's clock. A worker that tells
// its tasks and did not tell this one had not started it; of one that tells
// none, tasks are taken to start when they were placed.
func (n *node) startOf(t *placed) float64 {
	switch {
	case Known(t.start) && Known(n.reading.Clock):
		return t.start
	case !Known(t.start) && Known(n.reading.TasksGeneration):
		return math.Inf(1)
	}
	return n.clockAt(t.at)
}

// finishOf returns when t ended, on the worker's clock; never while it is live.
func (n *node) finishOf(t *placed) float64 {
	switch {
	case t.ended == running:
		return math.Inf(1)
	case Known(t.finish) && Known(n.reading.Clock):
		return t.finish
	}
	return n.clockAt(t.ended)
}

// running stands for the end of a task that has not ended.
const running = Instant(math.MaxInt64)

// clockAt translates an instant of the manager to the worker's clock, by the
// pair of them that the reading is.
func (n *node) clockAt(at Instant) float64 {
	return n.clock() + (at - n.reading.At).Seconds()
}

// observe takes a new reading in: what of each task it holds is reckoned anew.
func (n *node) observe(r *Reading, overcommit float64, task func(*TaskReading) *placed, p *predictor) {
	since := r.At - n.reading.At
	n.reading, n.read, n.reread = *r, true, true
	n.reading.Tasks = nil
	for i := range r.Tasks {
		t := task(&r.Tasks[i])
		if t == nil || t.node != n {
			continue
		}
		t.measure(&r.Tasks[i], n.clock(), &p.Parameters)
		p.learn(t)
	}
	if Known(r.CpuUsage) {
		n.usage.add(r.CpuUsage, since, momentsTau)
	}
	if Known(r.MemoryAvailable) && r.MemoryTotal > 0 {
		n.memory.add(1-r.MemoryAvailable/r.MemoryTotal, since, momentsTau)
	}
	n.facts = &facts{
		node: n.Name, read: true, at: r.At,
		cpuUsage: r.CpuUsage, cpuCores: r.CpuCores, memoryTotal: r.MemoryTotal, memoryAvailable: r.MemoryAvailable,
		diskAvailable: r.DiskAvailable, cpuDeviation: n.usage.deviation(), memoryDeviation: n.memory.deviation(),
		limits: r.limits(overcommit),
	}
	n.missing, n.unused, n.fresh, n.leaving = 0, 0, 0, 0
	n.expects, n.together = estimate{}, 0
	for i := range n.groups {
		n.groups[i].tasks, n.groups[i].deviation = 0, 0
	}
	n.emptied = true
	for _, t := range n.live {
		n.hold(t, t.meter.estimate(t.kind, p))
	}
	n.gone = slices.DeleteFunc(n.gone, func(t *placed) bool { return !n.leave(t) })
	if Known(r.CpuUsage) && Known(r.CpuCores) {
		n.account(since)
	}
}

// lacks names the metric, as a Cube worker calls it, without which nothing can be promised on the node, or
// is empty.
func (n *node) lacks() string {
	switch {
	case !Known(n.reading.CpuUsage):
		return "cube_cpu_usage_ratio"
	case !Known(n.reading.CpuCores):
		return "cube_cpu_cores"
	case !Known(n.reading.MemoryTotal):
		return "cube_memory_total_bytes"
	case !Known(n.reading.MemoryAvailable):
		return "cube_memory_available_bytes"
	}
	return ""
}

// lacksDisk reports that the page said nothing of the disk.
func (n *node) lacksDisk() bool {
	return !Known(n.reading.DiskAvailable) || (!Known(n.reading.AllocatableDisk) && !Known(n.reading.DiskTotal))
}

// age is how old the reading is. One that came in after now is new.
func (n *node) age(now Instant) Instant { return max(0, now-n.reading.At) }

// figuresAt writes what the node looks like to the scorers at now, whenever the
// columns were settled.
func (n *node) figuresAt(now Instant, cfg *Config, f *Figures) {
	v := n.seen
	v.stale = n.health(now, cfg) == Stale
	v.figures(now, f)
}

// health returns how far the node's figures can be trusted at now.
func (n *node) health(now Instant, cfg *Config) NodeHealth {
	switch {
	case !n.read:
		return Unknown
	case n.age(now) > Instant(cfg.DownAfter):
		return Down
	case n.Draining:
		return Draining
	case n.lacks() != "":
		return Unknown
	case n.age(now) > Instant(cfg.StaleAfter):
		return Stale
	}
	return Ready
}
