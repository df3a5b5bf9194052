package api

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"cube/scheduler/manager"
	"cube/worker/wire"
)

// Config is what the handlers need.
type Config struct {
	Manager *manager.Manager
	// Log takes what a client cannot be told: an answer that broke off. nil
	// discards it.
	Log *slog.Logger
}

// Route is a path with its methods, as net/http writes paths.
type Route struct {
	Path    string
	Methods []string // sorted
}

// api is the handlers' common ground.
type api struct {
	manager *manager.Manager
	log     *slog.Logger
	page    page
}

// handler answers a request; an error it returns is written in the one shape.
type handler func(http.ResponseWriter, *http.Request) error

// table says which method of which path is answered by what.
func (a *api) table() map[string]map[string]handler {
	return map[string]map[string]handler{
		"/{$}":                 {"GET": a.servePage},
		"/tasks":               {"GET": a.listTasks, "POST": a.submitTask},
		"/tasks/{id}":          {"GET": a.getTask, "DELETE": a.stopTask},
		"/tasks/{id}/logs":     {"GET": a.getLogs},
		"/tasks/{id}/decision": {"GET": a.getDecision},
		"/nodes":               {"GET": a.listNodes, "POST": a.joinNode},
		"/nodes/{name}":        {"GET": a.getNode, "DELETE": a.removeNode},
		"/nodes/{name}/drain":  {"POST": a.drainNode},
		"/nodes/{name}/resume": {"POST": a.resumeNode},
		"/sd":                  {"GET": a.listTargets},
		"/backup":              {"POST": a.backUp},
	}
}

// New returns the handler of all routes of the API.
func New(cfg Config) http.Handler {
	a := newAPI(cfg)
	mux := http.NewServeMux()
	for path, methods := range a.table() {
		mux.Handle(path, a.byMethod(methods))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		wire.WriteError(w, wire.New(wire.CodeNotFound, "there is nothing at %s", r.URL.Path))
	})
	return mux
}

func newAPI(cfg Config) *api {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &api{manager: cfg.Manager, log: cfg.Log, page: newPage()}
}

// Routes lists the routes that New serves, by path.
func Routes() []Route {
	var routes []Route
	for path, methods := range newAPI(Config{}).table() {
		routes = append(routes, Route{Path: path, Methods: slices.Sorted(maps.Keys(methods))})
	}
	slices.SortFunc(routes, func(a, b Route) int { return strings.Compare(a.Path, b.Path) })
	return routes
}

// byMethod serves a path. A method that it does not have is refused in the one
// error shape.
func (a *api) byMethod(methods map[string]handler) http.Handler {
	allowed := slices.Sorted(maps.Keys(methods))
	if _, reads := methods[http.MethodGet]; reads {
		allowed = append(allowed, http.MethodHead)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		handle, ok := methods[method]
		if !ok {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			wire.WriteError(w, wire.New(wire.CodeMethodNotAllowed, "%s is not a method of %s; it has %s",
				r.Method, r.URL.Path, strings.Join(allowed, ", ")))
			return
		}
		wire.InTime(w, r, func(w http.ResponseWriter, r *http.Request) {
			if err := handle(w, r); err != nil {
				wire.WriteError(w, err)
			}
		})
	})
}
