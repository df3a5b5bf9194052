package web_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // lets clients ask for zstd
	dto "github.com/prometheus/client_model/go"

	"cube/cmd/cube/web"
)

// figures is a page of every kind of metric, with what has to be escaped.
func figures(t testing.TB) prometheus.TransactionalGatherer {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "disk_bytes", Help: "Size,\nin \\ bytes."}, []string{"mountpoint"})
	for i := range 40 {
		gauge.WithLabelValues(fmt.Sprintf("/srv/\"größe\"\\%d\n", i)).Set(float64(i) * 1.5e9)
	}
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "cpu_seconds_total", Help: "Time."})
	counter.Add(12.5)
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "wait_seconds", Help: "Wait.", NativeHistogramBucketFactor: 1.1, Buckets: prometheus.DefBuckets})
	histogram.Observe(0.3)
	registry.MustRegister(gauge, counter, histogram)
	return prometheus.ToTransactionalGatherer(registry)
}

func ask(t testing.TB, handler http.Handler, accept, encoding string) (*http.Response, string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	if encoding != "" {
		request.Header.Set("Accept-Encoding", encoding)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	response := recorder.Result()
	var body io.Reader = response.Body
	var err error
	switch response.Header.Get("Content-Encoding") {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// A page that has settled is made of what was encoded, and compressed, before:
// it is what promhttp serves all the same, whatever the figures become.
func TestSettledPagesAreWhatPromhttpServes(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "disk_bytes", Help: "Size,\nin \\ bytes."}, []string{"mountpoint"})
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "wait_seconds", Help: "Wait.", Objectives: map[float64]float64{0.5: 0.05}})
	registry.MustRegister(gauge, summary)
	gatherer := prometheus.ToTransactionalGatherer(registry)
	lean := web.NewMetrics(gatherer, log.New(t.Output(), "", 0), nil)
	theirs := promhttp.HandlerForTransactional(gatherer, promhttp.HandlerOpts{})
	figures := []float64{0, 1, -1, 0.1, 12345.678, 1e-300, 1e300, 123456789012, math.NaN(), math.Inf(1), math.Inf(-1), -2.2250738585072014e-308}
	for n := range 400 {
		for i := range 30 + n/150 { // another layout every now and then
			gauge.WithLabelValues(fmt.Sprintf("/srv/%d", i)).Set(figures[(n*7+i*n)%len(figures)])
		}
		summary.Observe(float64(n) / 7)
		_, got := ask(t, lean, "", "gzip")
		if _, want := ask(t, theirs, "", ""); got != want {
			t.Fatalf("page %d (-promhttp +lean):\n%s", n, cmp.Diff(want, got))
		}
	}
}

// The lean way gives what promhttp gives, byte for byte, in every format and
// compression, with the same headers.
func TestMetricsAreWhatPromhttpServes(t *testing.T) {
	gatherer := figures(t)
	lean := web.NewMetrics(gatherer, log.New(t.Output(), "", 0), nil)
	theirs := promhttp.HandlerForTransactional(gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true})
	accepts := []string{
		"", "*/*", "text/plain;version=0.0.4", "application/json", "nonsense;;;q=",
		"application/openmetrics-text;version=1.0.0,text/plain;q=0.1", "application/openmetrics-text; version=1.0.0; escaping=underscores",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1",
	}
	for _, accept := range accepts {
		for _, encoding := range []string{"", "gzip", "zstd", "identity", "gzip;q=0.1, zstd", "gzip;q=0", "br", "*"} {
			for range 2 { // the second time as it was chosen before
				response, got := ask(t, lean, accept, encoding)
				want, text := ask(t, theirs, accept, encoding)
				if diff := cmp.Diff(text, got); diff != "" || len(got) < 1000 {
					t.Errorf("Accept %q, %q (-promhttp +lean):\n%s", accept, encoding, diff)
				}
				response.Header.Del("Content-Length")
				if diff := cmp.Diff(want.Header, response.Header); diff != "" {
					t.Errorf("Accept %q, %q (-promhttp +lean):\n%s", accept, encoding, diff)
				}
			}
		}
	}
}

// Many clients at once, of every kind, each get a whole page of their own.
func TestManyClientsAtOnce(t *testing.T) {
	handler := web.NewMetrics(figures(t), log.New(t.Output(), "", 0), nil)
	_, want := ask(t, handler, "", "identity")
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			for j := range 20 {
				encoding := []string{"gzip", "zstd", "identity", fmt.Sprintf("x-%d-%d", i, j)}[(i+j)%4]
				if _, got := ask(t, handler, "", encoding); got != want {
					t.Errorf("%s: another page", encoding)
				}
			}
		})
	}
	group.Wait()
}

// failing is a gatherer with a fault.
type failing struct{ families []*dto.MetricFamily }

func (f failing) Gather() ([]*dto.MetricFamily, func(), error) {
	return f.families, func() {}, errors.New("no such file")
}

func TestMetricsThatCannotBeGathered(t *testing.T) {
	families, _, err := figures(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	response, text := ask(t, web.NewMetrics(failing{families}, log.New(&said, "", 0), nil), "", "")
	if response.StatusCode != http.StatusOK || !strings.Contains(text, "cpu_seconds_total 12.5") || !strings.Contains(said.String(), "no such file") {
		t.Errorf("what there is: %s, %q, log %q", response.Status, text, &said)
	}
	response, text = ask(t, web.NewMetrics(failing{}, log.New(&said, "", 0), nil), "", "")
	if response.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "no such file") {
		t.Errorf("nothing: %s, %q", response.Status, text)
	}
}

// waiting gathers when it is let.
type waiting struct{ entered, leave chan struct{} }

func (w waiting) Gather() ([]*dto.MetricFamily, func(), error) {
	w.entered <- struct{}{}
	<-w.leave
	return nil, func() {}, nil
}

func TestPagesAreBoundedInNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gatherer := waiting{make(chan struct{}), make(chan struct{})}
		handler := web.NewMetrics(gatherer, log.New(t.Output(), "", 0), web.NewPlaces(2))
		var group sync.WaitGroup
		scrape := func() {
			group.Go(func() {
				if response, _ := ask(t, handler, "", ""); response.StatusCode != http.StatusOK {
					t.Errorf("one that there is a place for, in time: %s", response.Status)
				}
			})
		}
		for range 2 {
			scrape()
			<-gatherer.entered
		}
		if response, text := ask(t, handler, "", ""); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "(2)") {
			t.Errorf("a third that waits in vain: %s, %q", response.Status, text)
		}
		scrape()
		synctest.Wait() // it waits for a place
		close(gatherer.leave)
		<-gatherer.entered
		group.Wait()
	})
}

// stalled is a client that reads nothing until it is let.
type stalled struct {
	http.ResponseWriter
	writing, read chan struct{}
}

func (s stalled) Write(p []byte) (int, error) {
	close(s.writing)
	<-s.read
	return s.ResponseWriter.Write(p)
}

// A client that does not read keeps no other waiting: its page is made, and
// takes no place.
func TestSlowClientTakesNoPlace(t *testing.T) {
	handler := web.NewMetrics(figures(t), log.New(t.Output(), "", 0), web.NewPlaces(1))
	slow := stalled{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	var group sync.WaitGroup
	group.Go(func() {
		handler.ServeHTTP(slow, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	})
	<-slow.writing
	_, other := ask(t, handler, "", "")
	close(slow.read)
	group.Wait()
	if own := slow.ResponseWriter.(*httptest.ResponseRecorder).Body.String(); own != other || len(own) < 1000 {
		t.Errorf("the slow client got %d bytes, the other %d", len(own), len(other))
	}
}
