package manager

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cube/scheduler"
	"cube/scheduler/scrape"
	"cube/worker/task"
	"cube/worker/wire"
)

// pages answers requests for metrics by host, without a network, and notes what
// was asked for.
type pages struct {
	mu    sync.Mutex
	asked map[string]bool // URLs
	texts map[string]func() string
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.asked[r.URL.String()] = true
	p.mu.Unlock()
	page := p.texts[r.URL.Host]
	if page == nil {
		return nil, errors.New("connection refused")
	}
	text := page()
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"text/plain; version=0.0.4"}},
		ContentLength: int64(len(text)), Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}

func (p *pages) sawURL(url string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[url]
}

// nodeExporterPage is the recorded page of a node_exporter, as of now, on a
// machine of which one of two CPUs has been half busy since start.
func nodeExporterPage(t *testing.T) func() string {
	t.Helper()
	text, err := os.ReadFile("../scrape/testdata/node_exporter.prom")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	return func() string {
		passed := time.Since(start).Seconds()
		return strings.NewReplacer(
			"\nnode_time_seconds 1.7955469455017009e+09\n", fmt.Sprintf("\nnode_time_seconds %.3f\n", float64(time.Now().UnixMilli())/1e3),
			`{cpu="0",mode="user"} 158.87`, fmt.Sprintf(`{cpu="0",mode="user"} %.3f`, 158.87+passed/2),
			`{cpu="0",mode="idle"} 1634.51`, fmt.Sprintf(`{cpu="0",mode="idle"} %.3f`, 1634.51+passed/2),
			`{cpu="1",mode="idle"} 1609.32`, fmt.Sprintf(`{cpu="1",mode="idle"} %.3f`, 1609.32+passed),
		).Replace(string(text))
	}
}

func cubePage() string {
	return fmt.Sprintf("cube_time_seconds %.3f\ncube_cpu_usage_ratio 0.5\ncube_cpu_usage_window_seconds 15\ncube_cpu_cores 4\n"+
		"cube_memory_total_bytes 8e9\ncube_memory_available_bytes 7e9\ncube_data_disk_total_bytes 9e10\ncube_data_disk_available_bytes 8e10\n"+
		"cube_allocatable_cpu_cores 4\ncube_allocatable_memory_bytes 7e9\ncube_allocatable_disk_bytes 8e10\ncube_tasks_generation 1\n",
		float64(time.Now().UnixMilli())/1e3)
}

// mixedFleet is a fleet that the file names, read by the real scrape loop.
func mixedFleet(t *testing.T, file string, p *pages) *fleet {
	t.Helper()
	path := filepath.Join(t.TempDir(), "workers.json")
	writeFile(t, path, file)
	f := &fleet{
		t: t, store: newMemStore(), log: new(lockedBuffer), workers: map[string]*fakeWorker{},
		cfg: func(c *Config) {
			c.WorkersFile = path
			c.NewScraper = func(now func() scheduler.Instant, sink func(scrape.Result)) (Scraper, error) {
				return scrape.New(scrape.Config{Client: &http.Client{Transport: p}, Now: now, Sink: sink, Log: slog.New(slog.DiscardHandler)})
			}
		},
	}
	for _, name := range []string{"a:5556", "b:5556"} {
		f.workers[name] = newFakeWorker(name, fakeRoom)
	}
	f.start()
	return f
}

// A fleet of which one node is measured by its worker and one by a
// node_exporter beside the worker: both are ready, and run tasks.
func TestMixedSourcesMakeOneFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pages{asked: map[string]bool{}, texts: map[string]func() string{"a:5556": cubePage, "b:9100": nodeExporterPage(t)}}
		f := mixedFleet(t, `[
			{"targets":["a:5556"],"labels":{"node":"a:5556","kind":"cube"}},
			{"targets":["b:5556"],"labels":{"node":"b:5556","kind":"exporter","__source__":"node_exporter","__data_root__":"/var/lib/docker"}}]`, p)
		f.wait(15 * time.Second)

		for _, name := range []string{"a:5556", "b:5556"} {
			if state := f.nodeState(name); state != wire.NodeReady {
				t.Errorf("the node %s is %s; want ready\n%s", name, state, f.log)
			}
		}
		b, err := f.Node("b:5556")
		if err != nil {
			t.Fatal(err)
		}
		if b.CpuUsageRatio == nil || *b.CpuUsageRatio < 0.24 || *b.CpuUsageRatio > 0.26 {
			t.Errorf("the exporter's node uses %v of its CPUs; want 0.25", b.CpuUsageRatio)
		}
		if b.MemoryAvailable == nil || *b.MemoryAvailable != 2.4666394624e+10 || b.DiskTotal == nil || *b.DiskTotal != 2.70553174016e+11 {
			t.Errorf("the exporter's node is %+v", b)
		}
		if b.Metrics == nil || b.Metrics.Source != "node_exporter" || len(b.Labels) != 1 {
			t.Errorf("the exporter's node is measured by %+v and labelled %v", b.Metrics, b.Labels)
		}
		if !p.sawURL("http://a:5556/metrics") || !p.sawURL("http://b:9100/metrics") || p.sawURL("http://b:5556/metrics") {
			t.Errorf("read were %v", p.asked)
		}
	})
}

// A page without a generation does not say that a task has ended; the worker's
// list does.
func TestTaskBesideNodeExporterIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pages{asked: map[string]bool{}, texts: map[string]func() string{"b:9100": nodeExporterPage(t)}}
		f := mixedFleet(t, `[{"targets":["b:5556"],"labels":{"node":"b:5556","__metrics_url__":"http://b:9100","__source__":"node_exporter"}}]`, p)
		f.wait(15 * time.Second)
		id := f.submit(nil)
		f.is(id, task.Running, "b:5556")
		f.wait(15 * time.Second)
		f.worker("b:5556").exit(id, 0)
		f.wait(10 * time.Second)
		f.is(id, task.Completed, "b:5556")
	})
}

func TestMetricsFromThatCannotBe(t *testing.T) {
	for name, from := range map[string]wire.MetricsFrom{
		"Metrics.Source":   {Source: "telegraf"},
		"Metrics.URL":      {URL: "b:9100"},
		"Metrics.DataRoot": {DataRoot: "var/lib"},
	} {
		_, err := nodeRecord(wire.Join{URL: "http://b:5556", Metrics: &from}, OriginJoin)
		var refused *wire.Error
		if !errors.As(err, &refused) || refused.Field != name {
			t.Errorf("%+v: %v; want an error about %s", from, err, name)
		}
	}
	if _, err := nodeRecord(wire.Join{URL: "http://b:5556", Metrics: &wire.MetricsFrom{URL: "http://u:secret@b:9100"}}, OriginJoin); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a password in the URL: %v", err)
	}
	path := filepath.Join(t.TempDir(), "workers.json")
	writeFile(t, path, `[{"targets":["a:1","b:1"],"labels":{"__metrics_url__":"http://c:9100"}}]`)
	if _, err := readWorkersFile(path); err == nil || !strings.Contains(err.Error(), "2 targets") {
		t.Errorf("one page for two nodes: %v", err)
	}
}

func TestTargetOfNode(t *testing.T) {
	for _, tt := range []struct {
		record NodeRecord
		want   scrape.Target
	}{
		{NodeRecord{Name: "n", URL: "http://h:5556"}, scrape.Target{Node: "n", URL: "http://h:5556/metrics"}},
		{NodeRecord{Name: "n", URL: "https://proxy/h"}, scrape.Target{Node: "n", URL: "https://proxy/h/metrics"}},
		{
			NodeRecord{Name: "n", URL: "http://[::1]:5556", Metrics: wire.MetricsFrom{Source: "node_exporter"}},
			scrape.Target{Node: "n", URL: "http://[::1]:9100/metrics", Source: "node_exporter"},
		},
		{
			NodeRecord{Name: "n", URL: "http://h:5556", Metrics: wire.MetricsFrom{Source: "node_exporter", URL: "http://x:1/probe", DataRoot: "/data"}},
			scrape.Target{Node: "n", URL: "http://x:1/probe", Source: "node_exporter", DataRoot: "/data"},
		},
	} {
		if got := tt.record.target(); got != tt.want {
			t.Errorf("%+v is read at %+v; want %+v", tt.record, got, tt.want)
		}
	}
}
