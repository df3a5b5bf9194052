package api

import (
	"io"
	"net/http"

	"cube/worker/wire"
)

// getLogs answers GET /tasks/{id}/logs: the output as the worker streams it.
func (a *api) getLogs(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	query, err := wire.ParseLogQuery(r.URL.Query())
	if err != nil {
		return err
	}
	output, err := a.manager.Logs(r.Context(), id, query)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if err := stream(w, output); err != nil && r.Context().Err() == nil {
		a.log.Warn("A task's output broke off.", "task", id, "error", err)
		// The status is sent: a cut connection is what is left to say so.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// stream passes everything on as it comes, and closes the source.
func stream(w http.ResponseWriter, from io.ReadCloser) error {
	defer func() { _ = from.Close() }() // all was read, or reading has failed
	flush := http.NewResponseController(w)
	if err := flush.Flush(); err != nil {
		return err
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return nil // the client is gone
			}
			if err := flush.Flush(); err != nil {
				return nil
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
