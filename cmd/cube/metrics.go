package main

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsHandler serves what the collectors have, with the program's build and,
// unless left out, its own runtime beside it.
func (f *webFlags) metricsHandler(log *slog.Logger, sources ...prometheus.Collector) (http.Handler, error) {
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
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: f.maxRequests,
		EnableOpenMetrics:   true,
	})
	if !f.noOwnMetrics {
		handler = promhttp.InstrumentMetricHandler(registry, handler)
	}
	return handler, nil
}
