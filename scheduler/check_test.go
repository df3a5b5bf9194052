package scheduler_test

import (
	"errors"
	"math"
	"testing"

	"cube/scheduler"
)

func TestObserveRefusesWhatCannotBe(t *testing.T) {
	cases := []struct {
		metric string
		change func(*scheduler.Reading)
	}{
		{"cube_cpu_usage_ratio", func(r *scheduler.Reading) { r.CpuUsage = 1.01 }},
		{"cube_cpu_usage_ratio", func(r *scheduler.Reading) { r.CpuUsage = -0.01 }}, // volcano#4709
		{"cube_cpu_usage_ratio", func(r *scheduler.Reading) { r.CpuUsage = math.Inf(1) }},
		{"cube_cpu_usage_window_seconds", func(r *scheduler.Reading) { r.CpuWindow = -1 }},
		{"cube_cpu_cores", func(r *scheduler.Reading) { r.CpuCores = 0 }},
		{"cube_memory_total_bytes", func(r *scheduler.Reading) { r.MemoryTotal = 0 }},
		{"cube_memory_available_bytes", func(r *scheduler.Reading) { r.MemoryAvailable = r.MemoryTotal + 1 }},
		{"cube_memory_available_bytes", func(r *scheduler.Reading) { r.MemoryAvailable = -1 }},
		{"cube_data_disk_available_bytes", func(r *scheduler.Reading) { r.DiskAvailable = r.DiskTotal + 1 }},
		{"cube_time_seconds", func(r *scheduler.Reading) { r.Clock = -1 }},
		{"cube_overcommit_cpu_ratio", func(r *scheduler.Reading) { r.OvercommitCpu = 0 }},
		{"cube_allocatable_memory_bytes", func(r *scheduler.Reading) { r.AllocatableMemory = math.Inf(1) }},
		{`cube_task_memory_bytes{task="` + taskID(1).String() + `"}`, func(r *scheduler.Reading) {
			r.Tasks = []scheduler.TaskReading{{ID: taskID(1), MemoryBytes: -1}}
		}},
	}
	for _, c := range cases {
		t.Run(c.metric, func(t *testing.T) {
			s := newState(t, "spread", 1)
			observe(t, s, reading("n00", 1))
			before, _, _ := s.Inspect("n00", at(3))
			r := reading("n00", 2)
			c.change(&r)
			var refused *scheduler.MetricError
			if err := s.Observe(r); !errors.As(err, &refused) {
				t.Fatalf("Observe answered %v, want a *MetricError", err)
			}
			if refused.Metric != c.metric {
				t.Errorf("the error names %s, want %s", refused.Metric, c.metric)
			}
			if after, _, _ := s.Inspect("n00", at(3)); after.ReadingAge != before.ReadingAge {
				t.Error("the refused reading was taken in")
			}
		})
	}
}

func TestObserveRefusesOldAndUnknown(t *testing.T) {
	s := newState(t, "spread", 1)
	observe(t, s, reading("n00", 5))
	if err := s.Observe(reading("n00", 4)); !errors.Is(err, scheduler.ErrOldReading) {
		t.Errorf("an older reading: %v, want ErrOldReading", err)
	}
	if err := s.Observe(reading("other", 6)); !errors.Is(err, scheduler.ErrUnknownNode) {
		t.Errorf("a reading of an unknown node: %v, want ErrUnknownNode", err)
	}
}
