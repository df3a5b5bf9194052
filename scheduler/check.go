package scheduler

import (
	"fmt"
	"math"
)

// MetricError says which metric of a reading cannot be what it says it is.
type MetricError struct {
	Node   string
	Metric string // as the node's page calls it
	Value  float64
	Want   string
}

// Error names the node, the metric, the value and what it should be.
func (e *MetricError) Error() string {
	return fmt.Sprintf("reading of node %q: %s is %v; want %s", e.Node, e.Metric, e.Value, e.Want)
}

// Check refuses a reading with a figure that cannot be: negative, infinite, a
// ratio above 1, more available than there is in all. The error is a
// [*MetricError]. A figure that is [Absent] is no fault.
func (r *Reading) Check() error {
	const amount, positive, ratio = "0 or more", "more than 0", "0 to 1"
	figures := [...]struct {
		metric string
		value  float64
		want   string
	}{
		{"cube_time_seconds", r.Clock, positive},
		{"cube_cpu_usage_ratio", r.CpuUsage, ratio},
		{"cube_cpu_usage_window_seconds", r.CpuWindow, amount},
		{"cube_cpu_cores", r.CpuCores, positive},
		{"cube_memory_total_bytes", r.MemoryTotal, positive},
		{"cube_memory_available_bytes", r.MemoryAvailable, amount},
		{"cube_data_disk_total_bytes", r.DiskTotal, amount},
		{"cube_data_disk_available_bytes", r.DiskAvailable, amount},
		{"cube_load1", r.Load1, amount},
		{"cube_allocatable_cpu_cores", r.AllocatableCpu, amount},
		{"cube_allocatable_memory_bytes", r.AllocatableMemory, amount},
		{"cube_allocatable_disk_bytes", r.AllocatableDisk, amount},
		{"cube_overcommit_cpu_ratio", r.OvercommitCpu, positive},
		{"cube_tasks_generation", r.TasksGeneration, amount},
	}
	for _, f := range figures {
		if !Known(f.value) {
			continue
		}
		if math.IsInf(f.value, 0) || f.value < 0 || (f.want == positive && f.value == 0) || (f.want == ratio && f.value > 1) {
			return &MetricError{Node: r.Node, Metric: r.name(f.metric), Value: f.value, Want: f.want}
		}
	}
	if r.MemoryAvailable > r.MemoryTotal {
		return &MetricError{Node: r.Node, Metric: r.name("cube_memory_available_bytes"), Value: r.MemoryAvailable,
			Want: fmt.Sprintf("no more than the total, %v", r.MemoryTotal)}
	}
	if r.DiskAvailable > r.DiskTotal {
		return &MetricError{Node: r.Node, Metric: r.name("cube_data_disk_available_bytes"), Value: r.DiskAvailable,
			Want: fmt.Sprintf("no more than the total, %v", r.DiskTotal)}
	}
	return r.checkTasks()
}

func (r *Reading) checkTasks() error {
	for i := range r.Tasks {
		t := &r.Tasks[i]
		figures := [...]struct {
			metric string
			value  float64
		}{
			{"cube_task_cpu_seconds_total", t.CpuSeconds},
			{"cube_task_memory_bytes", t.MemoryBytes},
			{"cube_task_start_time_seconds", t.StartTime},
		}
		for _, f := range figures {
			if f.value < 0 || math.IsInf(f.value, 0) {
				return &MetricError{Node: r.Node, Metric: fmt.Sprintf("%s{task=%q}", f.metric, t.ID), Value: f.value, Want: "0 or more"}
			}
		}
	}
	return nil
}
