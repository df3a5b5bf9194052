package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/workertest"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := workertest.NewRuntime()
		unread := uuid.New()
		runtime.Fault = func(_ context.Context, method string, key worker.Key) error {
			if method == "Usage" && key.Task == unread {
				return errors.New("its cgroup is gone")
			}
			return nil
		}
		m := boot(t, func(cfg *worker.Config) {
			cfg.Runtime, cfg.Reserve = runtime, task.Resources{Cpu: 1, Memory: 1 << 30}
		})
		read := uuid.New()
		event := startOf(read, 1)
		event.Task.Name = "web"
		m.submit(event)
		m.submit(startOf(unread, 1))
		m.finish(uuid.New())
		start := m.settle(read).StartTime.Unix()

		want := fmt.Sprintf(`
# HELP cube_allocatable_cpu_cores CPU cores that tasks may ask for in all, before overcommitment.
# TYPE cube_allocatable_cpu_cores gauge
cube_allocatable_cpu_cores 3
# HELP cube_allocatable_disk_bytes Disk space that tasks may ask for in all. A reservation, which is not enforced.
# TYPE cube_allocatable_disk_bytes gauge
cube_allocatable_disk_bytes 1.073741824e+11
# HELP cube_allocatable_memory_bytes Memory that tasks may ask for in all.
# TYPE cube_allocatable_memory_bytes gauge
cube_allocatable_memory_bytes 7.516192768e+09
# HELP cube_allocated_cpu_cores CPU cores that the live tasks asked for.
# TYPE cube_allocated_cpu_cores gauge
cube_allocated_cpu_cores 1
# HELP cube_allocated_disk_bytes Disk space that the live tasks asked for.
# TYPE cube_allocated_disk_bytes gauge
cube_allocated_disk_bytes 0
# HELP cube_allocated_memory_bytes Memory that the live tasks asked for.
# TYPE cube_allocated_memory_bytes gauge
cube_allocated_memory_bytes 1.34217728e+08
# HELP cube_overcommit_cpu_ratio How many times the allocatable CPU cores the CPU requests of tasks may total.
# TYPE cube_overcommit_cpu_ratio gauge
cube_overcommit_cpu_ratio 2
# HELP cube_task_cpu_seconds_total CPU time that the running task has used.
# TYPE cube_task_cpu_seconds_total counter
cube_task_cpu_seconds_total{name="web",task="%[1]s"} 1
# HELP cube_task_memory_bytes Memory that the running task uses, without reclaimable file pages.
# TYPE cube_task_memory_bytes gauge
cube_task_memory_bytes{name="web",task="%[1]s"} 1.048576e+06
# HELP cube_task_oom_kills_total Runs of tasks that ended by being killed for want of memory, since the worker started.
# TYPE cube_task_oom_kills_total counter
cube_task_oom_kills_total 0
# HELP cube_task_restarts_total Restarts of tasks by their policy, since the worker started.
# TYPE cube_task_restarts_total counter
cube_task_restarts_total 0
# HELP cube_task_start_time_seconds When the running task started, on the worker's clock.
# TYPE cube_task_start_time_seconds gauge
cube_task_start_time_seconds{name="web",task="%[1]s"} %[3]d
cube_task_start_time_seconds{name="",task="%[2]s"} %[3]d
# HELP cube_tasks Tasks on this worker by state.
# TYPE cube_tasks gauge
cube_tasks{state="completed"} 1
cube_tasks{state="failed"} 0
cube_tasks{state="pending"} 0
cube_tasks{state="running"} 2
cube_tasks{state="scheduled"} 0
# HELP cube_tasks_generation A number that grows with every change of any task.
# TYPE cube_tasks_generation gauge
cube_tasks_generation %[4]v
`, read, unread, start, float64(m.Generation()))
		if err := testutil.CollectAndCompare(m.Collector(), strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		problems, err := testutil.CollectAndLint(m.Collector())
		if err != nil || len(problems) != 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
	})
}

// A capacity that cannot be read is left out, and nothing else with it.
func TestMetricsWithoutCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := boot(t, func(cfg *worker.Config) {
			cfg.Capacity = func() (task.Resources, error) { return task.Resources{}, errors.New("statfs hangs") }
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		page := m.Collector()
		defer func() {
			if said := strings.Count(log.String(), "statfs hangs"); said != 1 {
				t.Errorf("said %d times, not once:\n%s", said, &log)
			}
		}()
		for name, want := range map[string]int{
			"cube_allocatable_cpu_cores": 0, "cube_allocatable_memory_bytes": 0, "cube_allocatable_disk_bytes": 0,
			"cube_tasks": len(task.States), "cube_tasks_generation": 1, "cube_allocated_cpu_cores": 1,
		} {
			if got := testutil.CollectAndCount(page, name); got != want {
				t.Errorf("%s: %d series; want %d", name, got, want)
			}
		}
	})
}

// Restarts by policy and kills for memory are counted, also of tasks that are
// gone by the time of the scrape.
func TestRestartsAndOOMKillsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		looping, killed := uuid.New(), uuid.New()
		event := startOf(looping, 1)
		event.Task.RestartPolicy = task.RestartAlways
		m.submit(event)
		m.submit(startOf(killed, 1))
		m.settle(killed)
		m.runtime.Kill(keyOf(killed, 1, 0))
		for restart := range 3 {
			m.settle(looping)
			m.runtime.Exit(keyOf(looping, 1, restart), 1)
			pass(2 * time.Minute)
		}
		wantState(t, m.settle(killed), task.Failed)
		want := `
# HELP cube_task_oom_kills_total Runs of tasks that ended by being killed for want of memory, since the worker started.
# TYPE cube_task_oom_kills_total counter
cube_task_oom_kills_total 1
# HELP cube_task_restarts_total Restarts of tasks by their policy, since the worker started.
# TYPE cube_task_restarts_total counter
cube_task_restarts_total 3
`
		if err := testutil.CollectAndCompare(m.Collector(), strings.NewReader(want), "cube_task_oom_kills_total", "cube_task_restarts_total"); err != nil {
			t.Error(err)
		}
	})
}
