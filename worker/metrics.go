package worker

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sync/errgroup"

	"cube/collector/families"
	"cube/worker/task"
)

// Reading what tasks use takes part in a scrape, which has a deadline of its
// own: all tasks together have this long, and so many are read at once.
const (
	usageTimeout = time.Second
	usageReaders = 16
)

// The metrics, in the order of their names.
const (
	allocatableCpu = iota
	allocatableDisk
	allocatableMemory
	allocatedCpu
	allocatedDisk
	allocatedMemory
	overcommitCpu
	taskCpu
	taskMemory
	taskOOMKills
	taskRestarts
	taskStart
	tasks
	tasksGeneration
)

var (
	taskLabelNames  = []string{"name", "task"}
	stateLabelNames = []string{"state"}
)

func newMetrics() *families.Table {
	return families.NewTable([]families.Metric{
		allocatableCpu:    {Name: "cube_allocatable_cpu_cores", Help: "CPU cores that tasks may ask for in all, before overcommitment.", Kind: families.Gauge},
		allocatableDisk:   {Name: "cube_allocatable_disk_bytes", Help: "Disk space that tasks may ask for in all. A reservation, which is not enforced.", Kind: families.Gauge},
		allocatableMemory: {Name: "cube_allocatable_memory_bytes", Help: "Memory that tasks may ask for in all.", Kind: families.Gauge},
		allocatedCpu:      {Name: "cube_allocated_cpu_cores", Help: "CPU cores that the live tasks asked for.", Kind: families.Gauge},
		allocatedDisk:     {Name: "cube_allocated_disk_bytes", Help: "Disk space that the live tasks asked for.", Kind: families.Gauge},
		allocatedMemory:   {Name: "cube_allocated_memory_bytes", Help: "Memory that the live tasks asked for.", Kind: families.Gauge},
		overcommitCpu:     {Name: "cube_overcommit_cpu_ratio", Help: "How many times the allocatable CPU cores the CPU requests of tasks may total.", Kind: families.Gauge},
		taskCpu:           {Name: "cube_task_cpu_seconds_total", Help: "CPU time that the running task has used.", Kind: families.Counter, Labels: taskLabelNames},
		taskMemory:        {Name: "cube_task_memory_bytes", Help: "Memory that the running task uses, without reclaimable file pages.", Kind: families.Gauge, Labels: taskLabelNames},
		taskOOMKills:      {Name: "cube_task_oom_kills_total", Help: "Runs of tasks that ended by being killed for want of memory, since the worker started.", Kind: families.Counter},
		taskRestarts:      {Name: "cube_task_restarts_total", Help: "Restarts of tasks by their policy, since the worker started.", Kind: families.Counter},
		taskStart:         {Name: "cube_task_start_time_seconds", Help: "When the running task started, on the worker's clock.", Kind: families.Gauge, Labels: taskLabelNames},
		tasks:             {Name: "cube_tasks", Help: "Tasks on this worker by state.", Kind: families.Gauge, Labels: stateLabelNames},
		tasksGeneration:   {Name: "cube_tasks_generation", Help: "A number that grows with every change of any task.", Kind: families.Gauge},
	})
}

// Collector returns the metrics of the worker's tasks: what the machine has for
// them, what they asked for, how many are in which state, and what each running
// one uses. It reads at scrape time. A figure that cannot be read is left out.
func (w *Worker) Collector() families.Source {
	c := &collector{worker: w, table: newMetrics()}
	for _, state := range task.States {
		c.states = append(c.states, stateLabels{state, families.NewLabels(stateLabelNames, state.String())})
	}
	slices.SortFunc(c.states, func(a, b stateLabels) int { return cmp.Compare(a.state.String(), b.state.String()) })
	return c
}

// collector makes the page of a worker.
type collector struct {
	worker *Worker
	table  *families.Table
	states []stateLabels // in the order of their labels
	roster rosterCache

	failing atomic.Bool // whether the log has it that the capacity cannot be read
}

// stateLabels are the labels of a state's series.
type stateLabels struct {
	state  task.State
	labels *families.Labels
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) { c.table.Describe(out) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) { c.table.Collect(c.fill, out) }

// Gather implements prometheus.TransactionalGatherer.
func (c *collector) Gather() ([]*dto.MetricFamily, func(), error) {
	gathered, done := c.table.Gather(c.fill)
	return gathered, done, nil
}

func (c *collector) fill(p *families.Page) {
	p.Set(overcommitCpu, c.worker.cfg.OvercommitCpu, nil)
	allocatable, err := c.worker.Allocatable()
	if failed := err != nil; c.failing.Swap(failed) != failed && failed { // said once, not at every scrape
		c.worker.log.Warn("The allocatable resources are left out of the metrics", "error", err)
	}
	if err == nil {
		p.Set(allocatableCpu, allocatable.Cpu, nil)
		p.Set(allocatableMemory, float64(allocatable.Memory), nil)
		p.Set(allocatableDisk, float64(allocatable.Disk), nil)
	}

	// One look: what is said of the tasks belongs together.
	now := c.observe()
	p.Set(allocatedCpu, now.allocated.Cpu, nil)
	p.Set(allocatedMemory, float64(now.allocated.Memory), nil)
	p.Set(allocatedDisk, float64(now.allocated.Disk), nil)
	for _, s := range c.states {
		p.Set(tasks, float64(now.states[s.state]), s.labels)
	}
	p.Set(taskOOMKills, float64(now.oomKills), nil)
	p.Set(taskRestarts, float64(now.restarts), nil)
	p.Set(tasksGeneration, float64(now.roster.generation), nil)
	c.worker.usages(now.roster.running, func(r *rostered, usage Usage, known bool) {
		p.Set(taskStart, r.start, r.labels)
		if known && usage.CpuSeconds >= 0 {
			p.Set(taskCpu, usage.CpuSeconds, r.labels)
		}
		if known && usage.MemoryBytes >= 0 {
			p.Set(taskMemory, usage.MemoryBytes, r.labels)
		}
	})
}

// usages reads what the running tasks use and tells each, in their order. What a
// runtime can read at once is read at once, the rest side by side.
func (w *Worker) usages(running []rostered, tell func(r *rostered, usage Usage, known bool)) {
	meter, quick := w.runtime.(Meter)
	if !quick {
		w.slowUsages(running, tell)
		return
	}
	for i := range running {
		r := &running[i]
		usage, known := meter.ReadUsage(r.key)
		if !known {
			w.slowUsages(running[i:], tell)
			return
		}
		tell(r, usage, true)
	}
}

// slowUsages asks the runtime, for as long as all may take together.
func (w *Worker) slowUsages(running []rostered, tell func(r *rostered, usage Usage, known bool)) {
	if len(running) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), usageTimeout)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(usageReaders)
	read := make([]*Usage, len(running)) // each written by its own goroutine
	for i := range running {
		group.Go(func() error {
			usage, err := w.runtime.Usage(ctx, running[i].key)
			if err != nil {
				w.log.Debug("A task's use is left out of the metrics", "task", running[i].key.Task, "run", running[i].key, "error", err)
				return nil
			}
			read[i] = &usage
			return nil
		})
	}
	_ = group.Wait() // each reader has dealt with its error
	for i, usage := range read {
		if usage == nil {
			tell(&running[i], Usage{}, false)
			continue
		}
		tell(&running[i], *usage, true)
	}
}
