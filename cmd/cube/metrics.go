package main

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // lets clients ask for zstd

	"cube/worker/wire"
)

// metricsHandler serves what the collectors have, with the program's build and,
// unless left out, its own runtime beside it.
func (f *webFlags) metricsHandler(log *slog.Logger, sources ...prometheus.Collector) (http.Handler, error) {
	registry, err := f.registry(sources)
	if err != nil {
		return nil, err
	}
	return f.instrument(registry, f.pageHandler(log, prometheus.ToTransactionalGatherer(registry))), nil
}

func (f *webFlags) registry(sources []prometheus.Collector) (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	sources = append(sources, versioncollector.NewCollector("cube"))
	if !f.noOwnMetrics {
		sources = append(sources, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	for _, source := range sources {
		if err := registry.Register(source); err != nil {
			return nil, err
		}
	}
	return registry, nil
}

func (f *webFlags) instrument(registry *prometheus.Registry, handler http.Handler) http.Handler {
	if f.noOwnMetrics {
		return handler
	}
	return promhttp.InstrumentMetricHandler(registry, handler)
}

// pageHandler serves one page in the format and the compression that the client
// asks for.
func (f *webFlags) pageHandler(log *slog.Logger, gatherer prometheus.TransactionalGatherer) http.Handler {
	return promhttp.HandlerForTransactional(gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: f.maxRequests,
		EnableOpenMetrics:   true,
	})
}

// measuredMachine is a page's machine: whole, or narrowed to some of its sources.
type measuredMachine interface {
	prometheus.TransactionalGatherer
	// Narrow names the sources to be read, or those not to be.
	Narrow(collect, exclude []string) (prometheus.TransactionalGatherer, error)
}

// machinePage serves a worker's page: the machine, and what the registry has
// beside it. "?collect[]=cpu" narrows it to those sources of the machine alone,
// "?exclude[]=disk" leaves some out, as node_exporter has it.
func (f *webFlags) machinePage(log *slog.Logger, m measuredMachine, sources ...prometheus.Collector) (http.Handler, error) {
	registry, err := f.registry(sources)
	if err != nil {
		return nil, err
	}
	beside := prometheus.ToTransactionalGatherer(registry)
	whole := f.pageHandler(log, prometheus.NewMultiTRegistry(m, beside))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			whole.ServeHTTP(w, r)
			return
		}
		query := r.URL.Query()
		collect, exclude := query["collect[]"], query["exclude[]"]
		narrow, err := m.Narrow(collect, exclude)
		if err != nil {
			wire.WriteError(w, wire.New(wire.CodeInvalid, "%v", err))
			return
		}
		if len(collect) == 0 {
			narrow = prometheus.NewMultiTRegistry(narrow, beside)
		}
		f.pageHandler(log, narrow).ServeHTTP(w, r)
	})
	return f.instrument(registry, handler), nil
}
