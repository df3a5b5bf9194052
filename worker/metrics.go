package worker

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"cube/worker/task"
)

// Reading what tasks use takes part in a scrape, which has a deadline of its
// own: all tasks together have this long, and so many are read at once.
const (
	usageTimeout = time.Second
	usageReaders = 16
)

// Collector returns the metrics of the worker's tasks: what the machine has for
// them, what they asked for, how many are in which state, and what each running
// one uses. It reads at scrape time. A figure that cannot be read is left out.
func (w *Worker) Collector() prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &collector{
		worker:            w,
		allocatableCpu:    desc("cube_allocatable_cpu_cores", "CPU cores that tasks may ask for in all, before overcommitment."),
		allocatableMemory: desc("cube_allocatable_memory_bytes", "Memory that tasks may ask for in all."),
		allocatableDisk:   desc("cube_allocatable_disk_bytes", "Disk space that tasks may ask for in all. A reservation, which is not enforced."),
		overcommitCpu:     desc("cube_overcommit_cpu_ratio", "How many times the allocatable CPU cores the CPU requests of tasks may total."),
		allocatedCpu:      desc("cube_allocated_cpu_cores", "CPU cores that the live tasks asked for."),
		allocatedMemory:   desc("cube_allocated_memory_bytes", "Memory that the live tasks asked for."),
		allocatedDisk:     desc("cube_allocated_disk_bytes", "Disk space that the live tasks asked for."),
		tasks:             desc("cube_tasks", "Tasks on this worker by state.", "state"),
		generation:        desc("cube_tasks_generation", "A number that grows with every change of any task."),
		taskCpu:           desc("cube_task_cpu_seconds_total", "CPU time that the running task has used.", "task", "name"),
		taskMemory:        desc("cube_task_memory_bytes", "Memory that the running task uses, without reclaimable file pages.", "task", "name"),
		taskStart:         desc("cube_task_start_time_seconds", "When the running task started, on the worker's clock.", "task", "name"),
	}
}

type collector struct {
	worker *Worker

	allocatableCpu, allocatableMemory, allocatableDisk, overcommitCpu *prometheus.Desc
	allocatedCpu, allocatedMemory, allocatedDisk                      *prometheus.Desc
	tasks, generation                                                 *prometheus.Desc
	taskCpu, taskMemory, taskStart                                    *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range [...]*prometheus.Desc{
		c.allocatableCpu, c.allocatableMemory, c.allocatableDisk, c.overcommitCpu,
		c.allocatedCpu, c.allocatedMemory, c.allocatedDisk,
		c.tasks, c.generation, c.taskCpu, c.taskMemory, c.taskStart,
	} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(c.overcommitCpu, c.worker.cfg.OvercommitCpu)
	if allocatable, err := c.worker.Allocatable(); err != nil {
		c.worker.log.Warn("The allocatable resources are left out of the metrics", "error", err)
	} else {
		gauge(c.allocatableCpu, allocatable.Cpu)
		gauge(c.allocatableMemory, float64(allocatable.Memory))
		gauge(c.allocatableDisk, float64(allocatable.Disk))
	}

	// One look: what is said of the tasks belongs together.
	now := c.worker.observe()
	gauge(c.allocatedCpu, now.allocated.Cpu)
	gauge(c.allocatedMemory, float64(now.allocated.Memory))
	gauge(c.allocatedDisk, float64(now.allocated.Disk))
	for _, state := range task.States {
		gauge(c.tasks, float64(now.states[state]), state.String())
	}
	gauge(c.generation, float64(now.generation))
	for _, r := range now.running {
		t := &r.Task
		id := t.ID.String()
		gauge(c.taskStart, float64(t.StartTime.UnixNano())/1e9, id, t.Name)
		usage, known := now.usage[r.key()]
		if known && usage.CpuSeconds >= 0 {
			out <- prometheus.MustNewConstMetric(c.taskCpu, prometheus.CounterValue, usage.CpuSeconds, id, t.Name)
		}
		if known && usage.MemoryBytes >= 0 {
			gauge(c.taskMemory, usage.MemoryBytes, id, t.Name)
		}
	}
}

// observation is the worker's tasks at one moment.
type observation struct {
	allocated  task.Resources
	states     [len(task.States)]int
	generation uint64
	running    []*Record
	usage      map[Key]Usage // of those that could be read
}

func (w *Worker) observe() observation {
	w.mu.Lock()
	now := observation{allocated: w.promised.resources(), states: w.states, generation: w.generation, usage: map[Key]Usage{}}
	for _, e := range w.tasks {
		if e.record != nil && !e.record.Tombstone && e.record.Task.State == task.Running {
			now.running = append(now.running, e.record)
		}
	}
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), usageTimeout)
	defer cancel()
	var (
		mu    sync.Mutex // guards now.usage
		group errgroup.Group
	)
	group.SetLimit(usageReaders)
	for _, r := range now.running {
		group.Go(func() error {
			usage, err := w.runtime.Usage(ctx, r.key())
			if err != nil {
				w.log.Debug("A task's use is left out of the metrics", "task", r.Task.ID, "error", err)
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			now.usage[r.key()] = usage
			return nil
		})
	}
	_ = group.Wait() // each reader has dealt with its error
	return now
}
