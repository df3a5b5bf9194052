package collector

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"cube/collector/families"
)

// served is what promhttp answers for a gatherer in a format.
func served(t testing.TB, g prometheus.TransactionalGatherer, accept string) string {
	t.Helper()
	handler := promhttp.HandlerForTransactional(g, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.HTTPErrorOnError})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// The cheap way to the page gives what a registry gives, byte for byte, in every
// format.
func TestGatherIsWhatARegistryGathers(t *testing.T) {
	fixed := at(1_700_000_000)
	c := newCollector(t, Config{Now: func() time.Time { return fixed }})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	for name, accept := range map[string]string{
		"text":        "text/plain;version=0.0.4",
		"OpenMetrics": "application/openmetrics-text;version=1.0.0",
		"protobuf":    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
	} {
		for range 2 { // the second time with what the pool has
			want := served(t, prometheus.ToTransactionalGatherer(registry), accept)
			if diff := cmp.Diff(want, served(t, c, accept)); diff != "" || len(want) < 1000 {
				t.Errorf("%s (-registry +gathered):\n%s", name, diff)
			}
		}
	}
}

// The table is in the order of the names, which is the page's.
func TestFamiliesAreInOrder(t *testing.T) {
	var names []string
	for _, m := range metrics {
		names = append(names, m.Name)
		if !slices.IsSorted(m.Labels) {
			t.Errorf("%s: labels %v are not in order", m.Name, m.Labels)
		}
	}
	if !slices.IsSorted(names) || len(names) != len(slices.Compact(slices.Clone(names))) {
		t.Errorf("not in order: %v", names)
	}
}

// Every family belongs to one source, so that a failing one takes its own away
// and all of them.
func TestEveryFamilyHasOneSource(t *testing.T) {
	owners := map[family]int{collectorDuration: 1, collectorSuccess: 1, timeSeconds: 1}
	for _, s := range newCollector(t, Config{}).sources {
		for _, f := range s.families {
			owners[f]++
		}
	}
	for f := range familyCount {
		if owners[f] != 1 {
			t.Errorf("%s has %d sources", metrics[f].Name, owners[f])
		}
	}
}

// A page that is being encoded is not filled by another scrape.
func TestGatheredPagesAreNotShared(t *testing.T) {
	c := newCollector(t, Config{})
	first, doneFirst, _ := c.Gather()
	second, doneSecond, _ := c.Gather()
	if first[0].Metric[0] == second[0].Metric[0] {
		t.Error("two pages in use have the same memory")
	}
	doneSecond()
	doneFirst()
}

func TestSelect(t *testing.T) {
	c := newCollector(t, Config{})
	success := regexp.MustCompile(`cube_collector_success\{collector="(\w+)"\}`)
	for name, test := range map[string]struct {
		collect, exclude []string
		want, fault      string
	}{
		"all":     {nil, nil, "cpu disk load memory pressure", ""},
		"two":     {[]string{"memory", "cpu"}, nil, "cpu memory", ""},
		"but one": {nil, []string{"disk"}, "cpu load memory pressure", ""},
		"unknown": {[]string{"gpu"}, nil, "", `there is no collector "gpu": want some of cpu, disk, load, memory, pressure`},
		"both":    {[]string{"cpu"}, []string{"disk"}, "", "want either"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := c.Select(test.collect, test.exclude)
			if test.fault != "" {
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Errorf("got %v, want %q", err, test.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(s)
			for _, g := range []prometheus.TransactionalGatherer{s, prometheus.ToTransactionalGatherer(registry)} {
				var names []string
				for _, found := range success.FindAllStringSubmatch(served(t, g, "text/plain"), -1) {
					names = append(names, found[1])
				}
				if got := strings.Join(names, " "); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			}
		})
	}
}

// realCollector measures this machine.
func realCollector(b *testing.B) *Collector {
	b.Helper()
	c, err := New(Config{Statfs: unix.Statfs})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	return c
}

// BenchmarkScrape is the server's part of a scrape of this machine, without the
// connection: every source read anew, gathered and encoded.
func BenchmarkScrape(b *testing.B) {
	c := realCollector(b)
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	for _, way := range []struct {
		name string
		g    prometheus.TransactionalGatherer
	}{{"registry", prometheus.ToTransactionalGatherer(registry)}, {"gather", c}} {
		for _, encoding := range []string{"identity", "gzip"} {
			b.Run(way.name+"/"+encoding, func(b *testing.B) {
				handler := promhttp.HandlerForTransactional(way.g, promhttp.HandlerOpts{})
				request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
				request.Header.Set("Accept-Encoding", encoding)
				b.ReportAllocs()
				for b.Loop() {
					handler.ServeHTTP(&discard{header: http.Header{}}, request)
				}
			})
		}
	}
}

// BenchmarkRead is the reading alone, by source.
func BenchmarkRead(b *testing.B) {
	c := realCollector(b)
	for _, s := range c.sources {
		b.Run(s.name, func(b *testing.B) {
			p := families.NewTable(metrics[:]).NewPage()
			b.ReportAllocs()
			for b.Loop() {
				p.Reset()
				if err := s.collect(c.cfg.Now(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discard is an http.ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }
