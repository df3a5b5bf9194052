package main

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // lets clients ask for zstd

	"cube/cmd/cube/web"
	"cube/collector/families"
	"cube/worker/wire"
)

// metricsHandler serves what the collectors have, with the program's build and,
// unless left out, its own runtime beside it.
func (f *webFlags) metricsHandler(log *slog.Logger, sources ...prometheus.Collector) (http.Handler, error) {
	registry, err := f.registry(append(sources, versioncollector.NewCollector("cube"))...)
	if err != nil {
		return nil, err
	}
	return f.instrument(registry, f.page(log, prometheus.ToTransactionalGatherer(registry), web.NewPlaces(f.maxRequests))), nil
}

// registry has the sources and, unless left out, the program's own runtime.
func (f *webFlags) registry(sources ...prometheus.Collector) (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
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

// instrument counts the scrapes, unless that is left out.
func (f *webFlags) instrument(registry *prometheus.Registry, handler http.Handler) http.Handler {
	if f.noOwnMetrics {
		return handler
	}
	return promhttp.InstrumentMetricHandler(registry, handler)
}

// page serves one page in the format and the compression that the client asks
// for.
func (f *webFlags) page(log *slog.Logger, gatherer prometheus.TransactionalGatherer, places web.Places) http.Handler {
	return web.NewMetrics(gatherer, slog.NewLogLogger(log.Handler(), slog.LevelError), places)
}

// measuredMachine is a page's machine: whole, or narrowed to some of its sources.
type measuredMachine interface {
	prometheus.TransactionalGatherer
	// Narrow names the sources to be read, or those not to be.
	Narrow(collect, exclude []string) (prometheus.TransactionalGatherer, error)
}

// workerPage is what stands on a worker's page.
type workerPage struct {
	machine measuredMachine
	tasks   prometheus.TransactionalGatherer // nil where it takes none
	who     prometheus.Collector             // who the worker is, which never changes
}

// workerPage serves a worker's page: the machine, its tasks, who it is and,
// unless left out, the program's own runtime. "?collect[]=cpu" narrows it to
// those sources of the machine alone, "?exclude[]=disk" leaves some out, as
// node_exporter has it.
func (f *webFlags) workerPage(log *slog.Logger, p workerPage) (http.Handler, error) {
	who, err := families.Constant(p.who, versioncollector.NewCollector("cube"))
	if err != nil {
		return nil, err
	}
	registry, err := f.registry()
	if err != nil {
		return nil, err
	}
	beside := []prometheus.TransactionalGatherer{who}
	if p.tasks != nil {
		beside = append(beside, p.tasks)
	}
	if !f.noOwnMetrics {
		beside = append(beside, prometheus.ToTransactionalGatherer(registry))
	}
	with := func(machine prometheus.TransactionalGatherer) prometheus.TransactionalGatherer {
		return families.Merge(append([]prometheus.TransactionalGatherer{machine}, beside...)...)
	}
	places := web.NewPlaces(f.maxRequests)
	whole := f.page(log, with(p.machine), places)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			whole.ServeHTTP(w, r)
			return
		}
		query := r.URL.Query()
		collect, exclude := query["collect[]"], query["exclude[]"]
		narrow, err := p.machine.Narrow(collect, exclude)
		if err != nil {
			wire.WriteError(w, wire.New(wire.CodeInvalid, "%v", err))
			return
		}
		if len(collect) == 0 {
			narrow = with(narrow)
		}
		f.page(log, narrow, places).ServeHTTP(w, r)
	})
	return f.instrument(registry, handler), nil
}
