package scrape

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"cube/scheduler"
)

// nodePage is a page of node_exporter with the given seconds of each CPU, in
// the order user, system, iowait, idle.
func nodePage(clock float64, cpus map[string][4]float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "node_time_seconds %f\nnode_load1 0.5\n", clock)
	fmt.Fprintf(&b, "node_memory_MemTotal_bytes 100\nnode_memory_MemAvailable_bytes 40\n")
	for cpu, seconds := range cpus {
		for i, mode := range []string{"user", "system", "iowait", "idle"} {
			fmt.Fprintf(&b, "node_cpu_seconds_total{cpu=%q,mode=%q} %f\n", cpu, mode, seconds[i])
		}
	}
	return b.String()
}

// one is a single CPU's page after so many busy and idle seconds.
func one(busy, idle float64) map[string][4]float64 {
	return map[string][4]float64{"0": {busy, 0, 0, idle}}
}

func at(d time.Duration) scheduler.Instant { return scheduler.Instant(d) }

// Each row is a node's life as its page told it.
func TestUsageBetweenTwoScrapes(t *testing.T) {
	type step struct {
		at            time.Duration
		cpus          map[string][4]float64
		ratio, window float64 // NaN: absent
	}
	none := math.NaN()
	for name, steps := range map[string][]step{
		"first, then deltas": {
			{0, one(100, 900), none, none},
			{5 * time.Second, one(101, 904), 0.2, 5},
			{10 * time.Second, one(106, 904), 1, 5},
			{15 * time.Second, one(106, 909), 0, 5},
		},
		"a scrape out of turn compares with an older one": {
			{0, one(0, 0), none, none},
			{300 * time.Millisecond, one(0.3, 0), none, none},
			{5 * time.Second, one(1, 4), 0.2, 5},
			{5*time.Second + 200*time.Millisecond, one(1.2, 4), 1.2 / 5.2, 5.2},
			{5*time.Second + 400*time.Millisecond, one(1.4, 4), 1.4 / 5.4, 5.4},
			{10 * time.Second, one(1.4, 8.6), 0.4 / 5, 5},
		},
		"iowait steps back": {
			{0, map[string][4]float64{"0": {10, 10, 50, 100}}, none, none},
			{5 * time.Second, map[string][4]float64{"0": {11, 11, 48, 105}}, 2. / 7, 5},
		},
		"all CPUs are summed": {
			{0, map[string][4]float64{"0": {0, 0, 0, 0}, "1": {0, 0, 0, 0}}, none, none},
			{5 * time.Second, map[string][4]float64{"0": {4, 1, 0, 0}, "1": {0, 0, 1, 4}}, 0.5, 5},
		},
		"another set of CPUs starts afresh": {
			{0, map[string][4]float64{"0": {0, 0, 0, 0}, "1": {50, 0, 0, 0}}, none, none},
			{5 * time.Second, map[string][4]float64{"0": {4, 0, 0, 1}, "2": {90, 0, 0, 0}}, none, none},
			{10 * time.Second, map[string][4]float64{"0": {8, 0, 0, 2}, "2": {90, 0, 0, 5}}, 0.4, 5},
		},
		"a reboot starts afresh": {
			{0, one(1000, 9000), none, none},
			{5 * time.Second, one(20, 30), none, none},
			{10 * time.Second, one(24, 31), 0.8, 5},
		},
		"a long gap starts afresh": {
			{0, one(0, 0), none, none},
			{time.Hour, one(3600, 0), none, none},
			{time.Hour + 5*time.Second, one(3601, 4), 0.2, 5},
		},
		"counters that stand still say nothing": {
			{0, one(5, 5), none, none},
			{5 * time.Second, one(5, 5), none, none},
		},
	} {
		m := fresh()
		for i, step := range steps {
			got, failure := readPage(t, NodeExporter(), nodePage(float64(1000+i), step.cpus), "/", at(step.at), m)
			if failure != nil {
				t.Fatalf("%s, step %d: %v", name, i, failure)
			}
			if !near(got.CpuUsage, step.ratio) || !near(got.CpuWindow, step.window) {
				t.Errorf("%s, step %d: got %v over %v s; want %v over %v s", name, i, got.CpuUsage, got.CpuWindow, step.ratio, step.window)
			}
			if got.CpuCores != float64(len(step.cpus)) || got.AllocatableCpu != got.CpuCores || got.AllocatableMemory != 100 {
				t.Errorf("%s, step %d: %v cores, %v and %v allocatable", name, i, got.CpuCores, got.AllocatableCpu, got.AllocatableMemory)
			}
		}
	}
}

func near(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9
}
