package web

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"cube/worker/wire"
)

// Health answers /-/healthy and /-/ready, as Prometheus has them. The zero
// value is healthy and not ready.
type Health struct {
	// Check says, where it is set, why requests would be refused although the
	// server is up; nil where they would not. It is set before Register.
	Check func() error
	ready atomic.Bool
}

// SetReady says whether requests are wanted now.
func (h *Health) SetReady(ready bool) { h.ready.Store(ready) }

// Register mounts the two routes.
func (h *Health) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "Healthy.")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !h.ready.Load() {
			wire.WriteError(w, wire.New(wire.CodeUnavailable, "not ready: starting or shutting down"))
			return
		}
		if h.Check != nil {
			if err := h.Check(); err != nil {
				wire.WriteError(w, wire.New(wire.CodeUnavailable, "not ready: %v", err))
				return
			}
		}
		_, _ = fmt.Fprintln(w, "Ready.")
	})
}
