package web

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// maxAuditedPath bounds what a log line quotes of a path.
const maxAuditedPath = 256

// audited is the answer to a write, with its status kept.
type audited struct {
	http.ResponseWriter
	status int // 0 before there is one
	made   []string
}

// Made notes what the write has made; see [wire.Made].
func (a *audited) Made(path string) { a.made = append(a.made, path) }

func (a *audited) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK { // 1xx is no answer yet
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *audited) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what the answer can do.
func (a *audited) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// maxAuditedMade is how many things that were made one line names: a line is to
// fit into what a journal takes for one.
const maxAuditedMade = 100

// audit writes one line about a write: who asked for what, from where, and what
// came of it; and more of them where it has made more than one names. An answer
// that broke off is not whole, whatever its status.
func (a *audited) audit(log *slog.Logger, who string, r *http.Request, whole bool) {
	path := r.URL.Path
	if len(path) > maxAuditedPath {
		path = path[:maxAuditedPath] + "…"
	}
	args := []any{"who", who, "from", r.RemoteAddr, "method", r.Method, "path", path}
	if r.URL.RawQuery != "" {
		query := r.URL.RawQuery
		args = append(args, "query", query[:min(len(query), maxAuditedPath)])
	}
	switch {
	case !whole:
		args = append(args, "outcome", "broke off")
	default:
		args = append(args, "outcome", http.StatusText(a.status), "status", a.status)
	}
	made := a.made
	if one := a.Header().Get("Location"); one != "" {
		made = append(made, one)
	}
	if len(made) == 0 {
		log.Info("audit", args...)
	}
	for some := range slices.Chunk(made, maxAuditedMade) {
		log.Info("audit", append(args[:len(args):len(args)], "made", strings.Join(some, " "))...)
	}
}
