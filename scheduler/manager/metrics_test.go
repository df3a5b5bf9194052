package manager

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"cube/worker/task"
)

func TestMetricsTellTheSameStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1", "node-2")
		f.submit(nil)
		f.submit(func(t *task.Task) { t.Memory = 1 << 40 })
		f.worker("node-2").setCut(true)
		f.wait(20 * time.Second)
		want := `
# HELP cube_dispatches_total Allocations handed to workers, by result: accepted, refused or unreachable.
# TYPE cube_dispatches_total counter
cube_dispatches_total{result="accepted"} 1
cube_dispatches_total{result="refused"} 0
cube_dispatches_total{result="unreachable"} 0
# HELP cube_manager_dispatch_queue_length Operations that wait for their turn with all workers.
# TYPE cube_manager_dispatch_queue_length gauge
cube_manager_dispatch_queue_length 0
# HELP cube_manager_nodes Nodes of the fleet, by state.
# TYPE cube_manager_nodes gauge
cube_manager_nodes{state="down"} 0
cube_manager_nodes{state="draining"} 0
cube_manager_nodes{state="ready"} 1
cube_manager_nodes{state="stale"} 1
cube_manager_nodes{state="unknown"} 0
# HELP cube_manager_reading_age_seconds How old the last reading of a node is.
# TYPE cube_manager_reading_age_seconds gauge
cube_manager_reading_age_seconds{node="node-1"} 0
cube_manager_reading_age_seconds{node="node-2"} 20
# HELP cube_manager_tasks Tasks the manager knows, by state.
# TYPE cube_manager_tasks gauge
cube_manager_tasks{state="completed"} 0
cube_manager_tasks{state="failed"} 0
cube_manager_tasks{state="pending"} 1
cube_manager_tasks{state="running"} 1
cube_manager_tasks{state="scheduled"} 0
`
		err := testutil.CollectAndCompare(f.Collector(), strings.NewReader(want),
			"cube_dispatches_total", "cube_manager_dispatch_queue_length", "cube_manager_nodes",
			"cube_manager_reading_age_seconds", "cube_manager_tasks")
		if err != nil {
			t.Error(err)
		}
	})
}

func TestMetricsAreWellNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		f.submit(nil)
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(f.Collector())
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		problems, err := promlint.NewWithMetricFamilies(families).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
		native := 0
		for _, family := range families {
			if h := family.GetMetric()[0].GetHistogram(); h != nil && h.Schema != nil {
				native++
			}
		}
		if native != 3 {
			t.Errorf("%d native histograms, want 3", native)
		}
	})
}
