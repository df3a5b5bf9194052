package scrape

import (
	"math"
	"net/http"
	"os"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cube/scheduler"
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
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("the reading differs (-want +got):\n%s", diff)
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
