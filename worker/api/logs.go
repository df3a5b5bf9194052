package api

import (
	"context"
	"errors"
	"io"
	"net/http"

	"cube/worker"
	"cube/worker/wire"
)

// logs serves GET /tasks/{taskID}/logs.
func (h *handler) logs(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	query, err := wire.ParseLogQuery(r.URL.Query())
	if err != nil {
		return err
	}
	output, err := h.worker.Logs(r.Context(), id, worker.LogOptions(query))
	if err != nil {
		return err
	}
	// A read that waits for output ends with the client.
	stop := context.AfterFunc(r.Context(), func() { _ = output.Close() })
	defer func() {
		stop()
		_ = output.Close()
	}()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := stream(w, output); err != nil && r.Context().Err() == nil {
		h.log.Warn("A task's output was cut short", "task", id, "error", err)
		// The answer has begun: only a broken connection says that it is
		// not whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// stream passes output on as it comes.
func stream(w http.ResponseWriter, output io.Reader) error {
	// The headers go out now: the first output may take its time.
	if err := writeInTime(w, nil); err != nil {
		return err
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := output.Read(buffer)
		if n > 0 {
			if err := writeInTime(w, buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
