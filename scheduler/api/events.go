package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"cube/scheduler/manager"
	"cube/worker/wire"
)

// keepAlive is how often a silent stream says that it is there.
const keepAlive = 15 * time.Second

func wantsEvents(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// streamTasks sends the changes of tasks as server-sent events, each with the
// position after it as its ID. It starts after the position in Last-Event-ID,
// which may also be the ETag of a list, and without one from now. Where the
// position is too old, or of another life of the manager, the event "reset"
// tells the client to read the list again.
func (a *api) streamTasks(w http.ResponseWriter, r *http.Request) error {
	from := a.manager.Version()
	if text := strings.Trim(r.Header.Get("Last-Event-ID"), `"`); text != "" {
		position, err := manager.ParseVersion(text)
		if err != nil {
			return wire.New(wire.CodeInvalid, "Last-Event-ID: %v", err).WithField("Last-Event-ID")
		}
		from = position
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	if _, err := fmt.Fprintf(w, "retry: 1000\n\n"); err != nil {
		return nil
	}
	for {
		if out.Flush() != nil {
			return nil // the client is gone
		}
		changes, at, reset, err := a.manager.Changes(r.Context(), from, keepAlive)
		if err != nil {
			return nil // the client or the manager is leaving
		}
		if writeChanges(w, changes, at, reset) != nil {
			return nil
		}
		from = at
	}
}

// writeChanges writes a batch. Its last event has the position after all of it,
// so that a client that comes back has missed nothing.
func writeChanges(w io.Writer, changes []manager.Change, at manager.Version, reset bool) error {
	if reset {
		_, err := fmt.Fprintf(w, "event: reset\nid: %s\ndata: {}\n\n", at)
		return err
	}
	if len(changes) == 0 {
		_, err := io.WriteString(w, ": still here\n\n")
		return err
	}
	for i, change := range changes {
		event, shown := "task", any(change.Task)
		if change.Task == nil {
			event, shown = "gone", map[string]string{"ID": change.ID.String()}
		}
		data, err := json.Marshal(shown)
		if err != nil {
			return err
		}
		id := ""
		if i == len(changes)-1 {
			id = "id: " + at.String() + "\n"
		}
		if _, err := fmt.Fprintf(w, "event: %s\n%sdata: %s\n\n", event, id, data); err != nil {
			return err
		}
	}
	return nil
}
