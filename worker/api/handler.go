package api

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/wire"
)

// Config is what the API serves.
type Config struct {
	// Worker has the tasks. Where it is nil, the routes of tasks answer
	// "unavailable" with the reason in Fault, and the rest is served.
	Worker *worker.Worker
	Fault  error
	// Stats returns the machine's figures; they are written as JSON.
	Stats func() (any, error)
	// Log is where faults of the worker's own are told; nil discards it.
	Log *slog.Logger
}

type handler struct {
	worker *worker.Worker
	stats  func() (any, error)
	log    *slog.Logger
}

// New returns the handler of all routes of this room.
func New(cfg Config) http.Handler {
	h := &handler{worker: cfg.Worker, stats: cfg.Stats, log: cfg.Log}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	routes := h.routes()
	if h.worker == nil {
		for i := range routes {
			if routes[i].path != "/stats" {
				routes[i].serve = unavailable(cfg.Fault)
			}
		}
	}
	return h.mount(routes)
}

// route is a method and a path, and what serves them: an error is answered in
// the one shape.
type route struct {
	method, path string
	serve        func(http.ResponseWriter, *http.Request) error
}

// routes are all there are.
func (h *handler) routes() []route {
	return []route{
		{http.MethodGet, "/tasks", h.list},
		{http.MethodPost, "/tasks", h.submit},
		{http.MethodGet, "/tasks/{taskID}", h.show},
		{http.MethodDelete, "/tasks/{taskID}", h.stop},
		{http.MethodGet, "/tasks/{taskID}/logs", h.logs},
		{http.MethodGet, "/stats", h.machine},
	}
}

// mount makes the routes, and answers of the one shape for other methods on
// their paths and for other paths.
func (h *handler) mount(routes []route) http.Handler {
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	for _, r := range routes {
		allowed[r.path] = append(allowed[r.path], r.method)
		if r.method == http.MethodGet {
			allowed[r.path] = append(allowed[r.path], http.MethodHead)
		}
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, request *http.Request) {
			if err := r.serve(w, request); err != nil {
				h.fail(w, request, err)
			}
		})
	}
	for path, methods := range allowed {
		allow := strings.Join(methods, ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			wire.WriteError(w, wire.New(wire.CodeMethodNotAllowed, "%s takes %s, not %s", r.URL.Path, allow, r.Method))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		wire.WriteError(w, wire.New(wire.CodeNotFound, "there is no %q here", r.URL.Path))
	})
	return mux
}

func unavailable(fault error) func(http.ResponseWriter, *http.Request) error {
	return func(http.ResponseWriter, *http.Request) error {
		return wire.New(wire.CodeUnavailable, "tasks cannot be served: %v", fault)
	}
}

// taskID reads the path's task. Only the canonical form is one, so that an ID
// has one spelling.
func taskID(r *http.Request) (uuid.UUID, error) {
	text := r.PathValue("taskID")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(id.String()) {
		return uuid.Nil, wire.New(wire.CodeInvalid, "%q is not a task's ID: want a UUID", text).WithField("taskID")
	}
	return id, nil
}

// machine serves /stats.
func (h *handler) machine(w http.ResponseWriter, _ *http.Request) error {
	stats, err := h.stats()
	if err != nil {
		return wire.New(wire.CodeUnavailable, "the machine's figures cannot be read: %v", err)
	}
	return answer(w, http.StatusOK, stats)
}
