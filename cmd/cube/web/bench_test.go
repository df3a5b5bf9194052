package web_test

import (
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cube/cmd/cube/web"
	"cube/collector"
)

// thisMachine measures the machine that the test runs on.
func thisMachine(tb testing.TB) *collector.Collector {
	tb.Helper()
	c, err := collector.New(collector.Config{DataRoot: "/"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// discard is an http.ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }

// BenchmarkScrape is the server's part of a scrape of this machine, without the
// connection, every source read anew: by a registry and promhttp, by families
// made in place and promhttp, and all the lean way.
func BenchmarkScrape(b *testing.B) {
	c := thisMachine(b)
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	for _, way := range []struct {
		name    string
		handler http.Handler
	}{
		{"registry", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})},
		{"families", promhttp.HandlerForTransactional(c, promhttp.HandlerOpts{})},
		{"lean", web.NewMetrics(c, log.New(b.Output(), "", 0), nil)},
	} {
		for _, encoding := range []string{"identity", "gzip"} {
			b.Run(way.name+"/"+encoding, func(b *testing.B) {
				request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
				request.Header.Set("Accept-Encoding", encoding)
				b.ReportAllocs()
				for b.Loop() {
					way.handler.ServeHTTP(&discard{http.Header{}}, request)
				}
			})
		}
	}
}

// The handler's part of the 150 allocations that a scrape may take.
func TestScrapeAllocatesLittle(t *testing.T) {
	handler := web.NewMetrics(thisMachine(t), log.New(t.Output(), "", 0), web.NewPlaces(1))
	for _, encoding := range []string{"identity", "gzip"} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
		request.Header.Set("Accept-Encoding", encoding)
		// The race detector's pools forget a quarter of what they are given:
		// what the leanest of some scrapes takes counts.
		got := math.Inf(1)
		for range 30 {
			got = min(got, testing.AllocsPerRun(1, func() { handler.ServeHTTP(&discard{http.Header{}}, request) }))
		}
		if got > 60 {
			t.Errorf("%s: %v allocations", encoding, got)
		}
	}
}
