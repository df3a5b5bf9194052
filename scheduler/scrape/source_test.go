package scrape

import (
	"errors"
	"math"
	"net/http"
	"os"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// The page is node_exporter's own, of a machine with two CPUs.
func TestNodeExporterPage(t *testing.T) {
	page, err := os.ReadFile("testdata/node_exporter.prom")
	if err != nil {
		t.Fatal(err)
	}
	got, failure := readPage(t, NodeExporter(), string(page), "/var/lib/docker/x", 7, fresh())
	if failure != nil {
		t.Fatal(failure)
	}
	want := absentReading("w1")
	want.At, want.Clock = 7, 1.7955469455017009e+09
	want.CpuCores, want.AllocatableCpu = 2, 2
	want.MemoryTotal, want.AllocatableMemory = 2.5276514304e+10, 2.5276514304e+10
	want.MemoryAvailable = 2.4666394624e+10
	want.DiskTotal, want.AllocatableDisk = 2.70553174016e+11, 2.70553174016e+11
	want.DiskAvailable = 8.3281895424e+10
	want.Load1 = 0.87
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(scheduler.Reading{}, "Names"), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("the reading differs (-want +got):\n%s", diff)
	}
}

// Whatever is said of a node_exporter's figures names its own metrics, not those
// that a Cube worker has.
func TestNodeExporterGoesByItsOwnNames(t *testing.T) {
	page, err := os.ReadFile("testdata/node_exporter.prom")
	if err != nil {
		t.Fatal(err)
	}
	read, failure := readPage(t, NodeExporter(), string(page), "/", 7, fresh())
	if failure != nil {
		t.Fatal(failure)
	}
	for want, spoil := range map[string]func(*scheduler.Reading){
		"node_memory_MemAvailable_bytes": func(r *scheduler.Reading) { r.MemoryAvailable = r.MemoryTotal + 1 },
		"node_memory_MemTotal_bytes":     func(r *scheduler.Reading) { r.MemoryTotal = 0 },
		"node_filesystem_avail_bytes":    func(r *scheduler.Reading) { r.DiskAvailable = -1 },
		"node_cpu_seconds_total":         func(r *scheduler.Reading) { r.CpuUsage = 2 },
		"node_load1":                     func(r *scheduler.Reading) { r.Load1 = -1 },
		"node_time_seconds":              func(r *scheduler.Reading) { r.Clock = -1 },
	} {
		r := read
		spoil(&r)
		var refused *scheduler.MetricError
		if err := r.Check(); !errors.As(err, &refused) || refused.Metric != want {
			t.Errorf("Check answered %v, want an error about %s", err, want)
		}
	}
	state, err := scheduler.NewState(scheduler.Config{Policy: scheduler.Policy{Name: "any",
		Scorers: []scheduler.WeightedScorer{{Scorer: policy.Spread{}, Weight: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	state.SetNode(scheduler.Node{Name: "w1"})
	if err := state.Observe(read); err != nil { // one look: there is no CPU usage yet
		t.Fatal(err)
	}
	made := state.Decide(8, scheduler.Demand{}, 1).Decision()
	if len(made.Refused) != 1 || made.Refused[0].Examples[0].Reason != "its reading has no node_cpu_seconds_total" {
		t.Errorf("refused %+v, want for want of node_cpu_seconds_total", made.Refused)
	}
}

// A third source is a table.
func TestAThirdSourceIsATable(t *testing.T) {
	cadvisor := Source{Name: "cadvisor", Inputs: []Input{
		{Figure: CpuCores, Metric: "machine_cpu_cores", Required: true},
		{Figure: MemoryTotal, Metric: "machine_memory_bytes"},
		{Figure: DiskTotal, Metric: "container_fs_limit_bytes", Where: map[string]string{"id": "/", "device": "/dev/sda1"}},
	}}
	const page = "machine_cpu_cores 16\nmachine_memory_bytes 64\n" +
		"container_fs_limit_bytes{id=\"/\",device=\"/dev/sda1\"} 100\ncontainer_fs_limit_bytes{id=\"/a\",device=\"/dev/sda1\"} 7\n"
	got, failure := readPage(t, cadvisor, page, "/", 0, fresh())
	if failure != nil {
		t.Fatal(failure)
	}
	if got.CpuCores != 16 || got.MemoryTotal != 64 || got.DiskTotal != 100 || scheduler.Known(got.Clock) {
		t.Errorf("got %+v", got)
	}
}

// One loop reads nodes of different sources.
func TestMixedFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rounds := 0.0
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "n1:9100" {
				rounds++
				return answer(r, nodePage(1000+rounds, one(rounds, 4*rounds)), 0)
			}
			return answer(r, workerPage(noon, 1), 0)
		})}
		s := newSink()
		_, stop := start(t, configFor(t, client, s),
			Target{Node: "w1", URL: "http://w1:5556"}, Target{Node: "n1", URL: "http://n1:9100", Source: "node_exporter"})
		elapse(DefaultInterval * 3)
		stop()
		worker, node := s.of("w1"), s.of("n1")
		if r := worker[len(worker)-1]; r.Err != nil || r.Reading.CpuUsage != 0.25 {
			t.Errorf("worker: %+v", r)
		}
		if r := node[0]; r.Err != nil || scheduler.Known(r.Reading.CpuUsage) {
			t.Errorf("the first look at a node knows its usage: %+v", r)
		}
		if r := node[len(node)-1]; r.Err != nil || math.Abs(r.Reading.CpuUsage-0.2) > 1e-9 || r.Reading.CpuWindow != 5 {
			t.Errorf("node: %+v", r)
		}
	})
}
