package scrape

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// BenchmarkPage compares ways to take the wanted figures from pages of host
// metrics and 20 tasks, of 500 workers in turn as in a fleet: ours, by the layout
// of the worker's last page and without; the same parser with a cache of raw series a target, which stores the values by slot;
// the same parser with the labels of each series; and expfmt.
func BenchmarkPage(b *testing.B) {
	const workers = 500
	bodies := make([][]byte, workers)
	for i := range bodies {
		page := workerPage(noon, 20)
		for task := range 20 {
			page = strings.ReplaceAll(page, taskID(task).String(), taskID(20*i+task).String())
		}
		bodies[i] = []byte(page)
	}
	b.Logf("%d bytes, %d series", len(bodies[0]), bytes.Count(bodies[0], []byte("\n"))-2*bytes.Count(bodies[0], []byte("# TYPE")))
	source, err := compile(CubeWorker())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("layout", func(b *testing.B) {
		b.ReportAllocs()
		p, targets := new(page), make([]target, workers)
		for i := range targets {
			targets[i] = target{Target: Target{DataRoot: "/"}, source: source}
		}
		for i := 0; b.Loop(); i++ {
			if failure := p.readOf(&targets[i%workers], bodies[i%workers], DefaultMaxSamples, maxLayout); failure != nil {
				b.Fatal(failure)
			}
		}
	})
	b.Run("table", func(b *testing.B) {
		b.ReportAllocs()
		var p page
		for i := 0; b.Loop(); i++ {
			p.begin(source, "/")
			if failure := p.read(bodies[i%workers], DefaultMaxSamples); failure != nil {
				b.Fatal(failure)
			}
		}
	})
	each := func(b *testing.B, use func(worker int, p textparse.Parser)) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			parser := textparse.NewPromParser(bodies[i%workers], labels.NewSymbolTable(), false)
			for {
				entry, err := parser.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				if entry == textparse.EntrySeries {
					use(i%workers, parser)
				}
			}
		}
	}
	b.Run("cache of raw series", func(b *testing.B) {
		var caches [workers]map[string]int
		var slots [100]float64
		each(b, func(worker int, p textparse.Parser) {
			series, _, value := p.Series()
			if caches[worker] == nil {
				caches[worker] = map[string]int{}
			}
			slot, known := caches[worker][string(series)]
			if !known {
				slot = len(caches[worker])
				caches[worker][string(series)] = slot
			}
			slots[slot] = value
		})
	})
	b.Run("labels of each series", func(b *testing.B) {
		each(b, func(_ int, p textparse.Parser) {
			var all labels.Labels
			p.Labels(&all)
		})
	})
	b.Run("expfmt", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			parser := expfmt.NewTextParser(model.UTF8Validation)
			if _, err := parser.TextToMetricFamilies(bytes.NewReader(bodies[i%workers])); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkNodeExporterPage reads pages of node_exporter with all its collectors
// (recorded on a machine of two CPUs, some devices left out: half of it help texts), of 200 machines in turn, by
// the layout of the machine's last page and without. It reports what a layout
// keeps in memory.
func BenchmarkNodeExporterPage(b *testing.B) {
	const machines = 200
	text, err := os.ReadFile("testdata/node_exporter_defaults.prom")
	if err != nil {
		b.Fatal(err)
	}
	bodies := make([][]byte, machines)
	for i := range bodies {
		bodies[i] = bytes.Clone(text)
	}
	source, err := compile(NodeExporter())
	if err != nil {
		b.Fatal(err)
	}
	p, targets := new(page), make([]target, machines)
	before := heapInUse()
	for i := range targets {
		targets[i] = target{Target: Target{DataRoot: "/"}, source: source}
		if failure := p.readOf(&targets[i], bodies[i], DefaultMaxSamples, maxLayout); failure != nil {
			b.Fatal(failure)
		}
	}
	kept := float64(heapInUse()-before) / machines
	b.Run("layout", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			p.begin(source, "/")
			if !p.follow(targets[i%machines].memory.layout, bodies[i%machines]) {
				b.Fatal("the page was not read by its layout")
			}
		}
		b.ReportMetric(kept, "B/target")
	})
	b.Run("table", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			p.begin(source, "/")
			if failure := p.read(bodies[i%machines], DefaultMaxSamples); failure != nil {
				b.Fatal(failure)
			}
		}
	})
}

// heapInUse is how many bytes are held after a collection.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkScrape is all that a scrape costs on the manager's side but the
// network: request, headers, body, parsing, checks, reading and sink.
func BenchmarkScrape(b *testing.B) {
	page := workerPage(noon, 20)
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, page, 0) })}
	s := newSink()
	config := configFor(b, client, s)
	results := 0
	config.Sink = func(r Result) {
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		results++
	}
	l, err := New(config)
	if err != nil {
		b.Fatal(err)
	}
	l.SetTargets([]Target{{Node: "w1", URL: "http://w1:5556"}})
	t := l.targets["w1"]
	b.ReportAllocs()
	for b.Loop() {
		l.scrape(b.Context(), t)
	}
	if t.memory.layout == nil {
		b.Error("the page was not read by its layout")
	}
	if results == 0 {
		b.Fatal("nothing was read")
	}
}
