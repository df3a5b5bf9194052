package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"cube/worker/wire"
)

// writeTimeout bounds how long a client may take over a piece of an answer. A
// client that is slower than that is cut off, so that it costs nothing for ever.
const writeTimeout = 30 * time.Second

// answer writes v as JSON, all of it within writeTimeout.
func answer(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body = append(body, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = writeInTime(w, body) // the client may be gone: nobody is left to tell
	return nil
}

// writeInTime writes and flushes within writeTimeout. The deadline is the
// connection's, so it is taken away again for the requests that follow on it.
func writeInTime(w http.ResponseWriter, data []byte) error {
	control := http.NewResponseController(w)
	// Where the connection cannot have a deadline, the server's own stands.
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	if _, err := w.Write(data); err != nil {
		return err
	}
	if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// fail answers with the error, and tells the log of those that are the worker's
// own fault.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client is gone
	}
	if wire.AsError(err).Code == wire.CodeInternal {
		h.log.Error("A request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	wire.WriteError(w, err)
}
