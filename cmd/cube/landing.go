package main

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// landingPage is what a person who opens a worker in a browser sees.
func (f *webFlags) landingPage() (http.Handler, error) {
	profiling := "false"
	if f.pprof {
		profiling = "true"
	}
	return toolkit.NewLandingPage(toolkit.LandingConfig{
		Name: "Cube worker", Description: "Measures this machine and runs tasks on it.", Version: version.Info(), Profiling: profiling,
		Links: []toolkit.LandingLinks{
			{Address: f.telemetryPath, Text: "Metrics", Description: "for Prometheus and the manager"},
			{Address: "/stats", Text: "Stats", Description: "the machine in JSON"},
			{Address: "/tasks", Text: "Tasks", Description: "what runs here, in JSON"},
			{Address: "/-/ready", Text: "Ready"},
		},
	})
}

// registerPprof mounts the profiles. They tell much and cost much, so they are
// there only where they were asked for.
func registerPprof(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}
