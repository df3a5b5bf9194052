package scrape

import (
	"fmt"
	"maps"
	"slices"
)

// Figure is something that a reading needs to know.
type Figure int

// The figures. Those above the line are one number a page; those below come as
// one series for each value of the input's label Key.
const (
	Clock             Figure = iota // the node's own clock, Unix seconds
	CpuUsage                        // busy share of all CPUs, 0–1
	CpuWindow                       // seconds that CpuUsage was measured over
	CpuCores                        // CPUs
	MemoryTotal                     // bytes
	MemoryAvailable                 // bytes
	DiskTotal                       // bytes, of the data root
	DiskAvailable                   // bytes, of the data root
	Load1                           // runnable tasks
	AllocatableCpu                  // cores
	AllocatableMemory               // bytes
	AllocatableDisk                 // bytes
	OvercommitCpu                   // ratio
	TasksGeneration                 // moves when a task does
	numbers                         // ——

	CpuBusySeconds // seconds a CPU was busy, counted up; Key tells CPUs apart
	CpuIdleSeconds // seconds a CPU was idle, counted up
	MountTotal     // bytes of a filesystem; Key is its mountpoint
	MountAvailable
	TaskCpuSeconds // of a running task, since it started; Key is its UUID
	TaskMemory     // bytes
	TaskStartTime  // Unix seconds on the node's clock
	figures
)

// Input says what a figure is called on a source's page.
type Input struct {
	Metric string
	// Where holds labels that a series must have, with their values.
	Where map[string]string
	// Key is the label that tells a figure's series apart; empty for a
	// figure that is one number.
	Key    string
	Figure Figure
	// Required refuses a page without this input: it tells the source's
	// pages from any other.
	Required bool
}

// Source is a kind of page: the table of what each wanted figure is called
// there. A figure that a source does not have stays absent, except that
//
//   - CPU usage and cores come from CpuBusySeconds and CpuIdleSeconds, by the
//     difference between two scrapes;
//   - the disk is that of the mount which holds the target's DataRoot;
//   - a source without any allocatable figures has no reserve: what the machine
//     has in all stands for them.
type Source struct {
	Name   string
	Inputs []Input
}

// CubeWorker is the table of a Cube worker's page.
func CubeWorker() Source {
	return Source{Name: "cube", Inputs: []Input{
		{Figure: Clock, Metric: "cube_time_seconds", Required: true},
		{Figure: CpuUsage, Metric: "cube_cpu_usage_ratio"},
		{Figure: CpuWindow, Metric: "cube_cpu_usage_window_seconds"},
		{Figure: CpuCores, Metric: "cube_cpu_cores"},
		{Figure: MemoryTotal, Metric: "cube_memory_total_bytes"},
		{Figure: MemoryAvailable, Metric: "cube_memory_available_bytes"},
		{Figure: DiskTotal, Metric: "cube_data_disk_total_bytes"},
		{Figure: DiskAvailable, Metric: "cube_data_disk_available_bytes"},
		{Figure: Load1, Metric: "cube_load1"},
		{Figure: AllocatableCpu, Metric: "cube_allocatable_cpu_cores"},
		{Figure: AllocatableMemory, Metric: "cube_allocatable_memory_bytes"},
		{Figure: AllocatableDisk, Metric: "cube_allocatable_disk_bytes"},
		{Figure: OvercommitCpu, Metric: "cube_overcommit_cpu_ratio"},
		{Figure: TasksGeneration, Metric: "cube_tasks_generation"},
		{Figure: TaskCpuSeconds, Metric: "cube_task_cpu_seconds_total", Key: "task"},
		{Figure: TaskMemory, Metric: "cube_task_memory_bytes", Key: "task"},
		{Figure: TaskStartTime, Metric: "cube_task_start_time_seconds", Key: "task"},
	}}
}

// NodeExporter is the table of the Prometheus node_exporter's page. Guest time
// is inside user and nice already.
func NodeExporter() Source {
	const cpu = "node_cpu_seconds_total"
	mode := func(name string) map[string]string { return map[string]string{"mode": name} }
	return Source{Name: "node_exporter", Inputs: []Input{
		{Figure: Clock, Metric: "node_time_seconds", Required: true},
		{Figure: CpuBusySeconds, Metric: cpu, Where: mode("user"), Key: "cpu"},
		{Figure: CpuBusySeconds, Metric: cpu, Where: mode("nice"), Key: "cpu"},
		{Figure: CpuBusySeconds, Metric: cpu, Where: mode("system"), Key: "cpu"},
		{Figure: CpuBusySeconds, Metric: cpu, Where: mode("irq"), Key: "cpu"},
		{Figure: CpuBusySeconds, Metric: cpu, Where: mode("softirq"), Key: "cpu"},
		{Figure: CpuBusySeconds, Metric: cpu, Where: mode("steal"), Key: "cpu"},
		{Figure: CpuIdleSeconds, Metric: cpu, Where: mode("idle"), Key: "cpu"},
		{Figure: CpuIdleSeconds, Metric: cpu, Where: mode("iowait"), Key: "cpu"},
		{Figure: MemoryTotal, Metric: "node_memory_MemTotal_bytes"},
		{Figure: MemoryAvailable, Metric: "node_memory_MemAvailable_bytes"},
		{Figure: MountTotal, Metric: "node_filesystem_size_bytes", Key: "mountpoint"},
		{Figure: MountAvailable, Metric: "node_filesystem_avail_bytes", Key: "mountpoint"},
		{Figure: Load1, Metric: "node_load1"},
	}}
}

// compiled is a Source made ready for reading pages. It is not changed after.
type compiled struct {
	Source
	rows   map[string][]int // metric name → indexes into inputs
	inputs []compiledInput
	labels []string // the labels that any input looks at
	has    figureSet
	names  map[string]string // what the scheduler calls by a worker's name
}

type compiledInput struct {
	Input
	key   int // index into labels; −1 without one
	where []match
}

type match struct {
	label int // index into labels
	value string
}

// compile checks a table and makes it ready.
func compile(s Source) (*compiled, error) {
	if s.Name == "" || len(s.Inputs) == 0 {
		return nil, fmt.Errorf("source %q has no name or no inputs", s.Name)
	}
	c := &compiled{Source: s, rows: map[string][]int{}}
	for i, in := range s.Inputs {
		switch {
		case in.Metric == "":
			return nil, fmt.Errorf("source %s: input %d names no metric", s.Name, i)
		case in.Figure < 0 || in.Figure >= figures || in.Figure == numbers:
			return nil, fmt.Errorf("source %s: %s is read into figure %d, which there is not", s.Name, in.Metric, in.Figure)
		case (in.Figure > numbers) != (in.Key != ""):
			return nil, fmt.Errorf("source %s: %s has the label %q to tell its series apart, which does not suit its figure", s.Name, in.Metric, in.Key)
		case in.Figure >= TaskCpuSeconds && c.taskKey() != "" && c.taskKey() != in.Key:
			return nil, fmt.Errorf("source %s: %s tells tasks apart by the label %s, and another input by %s", s.Name, in.Metric, in.Key, c.taskKey())
		case in.Figure < numbers && c.has.contains(in.Figure):
			return nil, fmt.Errorf("source %s: %s is the second input of its figure", s.Name, in.Metric)
		}
		made := compiledInput{Input: in, key: -1}
		if in.Key != "" {
			made.key = c.label(in.Key)
		}
		for _, name := range slices.Sorted(maps.Keys(in.Where)) {
			made.where = append(made.where, match{c.label(name), in.Where[name]})
		}
		c.inputs = append(c.inputs, made)
		c.rows[in.Metric] = append(c.rows[in.Metric], i)
		c.has.add(in.Figure)
	}
	c.names = c.translate()
	return c, nil
}

// derived are the figures that others are made of where a source does not have
// them itself.
var derived = map[Figure]Figure{
	CpuUsage: CpuBusySeconds, CpuWindow: CpuBusySeconds, CpuCores: CpuBusySeconds,
	DiskTotal: MountTotal, DiskAvailable: MountAvailable,
	AllocatableCpu: CpuBusySeconds, AllocatableMemory: MemoryTotal, AllocatableDisk: MountTotal,
}

// translate returns what the source calls the figures that a worker's page has,
// where the names differ.
func (c *compiled) translate() map[string]string {
	var names map[string]string
	for _, in := range CubeWorker().Inputs {
		own := in.Figure
		if from, is := derived[own]; is && !c.has.contains(own) {
			own = from
		}
		if !c.has.contains(own) || c.metric(own) == in.Metric {
			continue
		}
		if names == nil {
			names = map[string]string{}
		}
		names[in.Metric] = c.metric(own)
	}
	return names
}

// taskKey is the label that tells tasks apart; empty without tasks.
func (c *compiled) taskKey() string {
	for _, in := range c.inputs {
		if in.Figure >= TaskCpuSeconds {
			return in.Key
		}
	}
	return ""
}

// label returns the index of a label name, which is added if need be.
func (c *compiled) label(name string) int {
	if i := slices.Index(c.labels, name); i >= 0 {
		return i
	}
	c.labels = append(c.labels, name)
	return len(c.labels) - 1
}

// onlyTasks reports whether the rows, all of one metric, are one figure of tasks
// that asks for no other label.
func (c *compiled) onlyTasks(rows []int) bool {
	return len(rows) == 1 && c.inputs[rows[0]].Figure >= TaskCpuSeconds && len(c.inputs[rows[0]].where) == 0
}

// metric returns the name of a figure's first input, for sentences about it.
func (c *compiled) metric(f Figure) string {
	for _, in := range c.inputs {
		if in.Figure == f {
			return in.Metric
		}
	}
	return "its figure"
}

// figureSet is a set of figures.
type figureSet uint32

func (s *figureSet) add(f Figure)          { *s |= 1 << f }
func (s figureSet) contains(f Figure) bool { return s&(1<<f) != 0 }
