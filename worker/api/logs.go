package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"cube/worker"
	"cube/worker/wire"
)

// logs serves GET /tasks/{taskID}/logs.
func (h *handler) logs(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	opts, err := logOptions(r.URL.Query())
	if err != nil {
		return err
	}
	output, err := h.worker.Logs(r.Context(), id, opts)
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

// logOptions reads the query: follow, tail, since, stdout, stderr.
func logOptions(query url.Values) (worker.LogOptions, error) {
	opts := worker.LogOptions{Tail: -1}
	for name, flag := range map[string]*bool{"follow": &opts.Follow, "stdout": &opts.Stdout, "stderr": &opts.Stderr} {
		if text := query.Get(name); text != "" {
			value, err := strconv.ParseBool(text)
			if err != nil {
				return opts, wire.New(wire.CodeInvalid, "%s: %q is neither 1 nor 0", name, text).WithField(name)
			}
			*flag = value
		}
	}
	if text := query.Get("tail"); text != "" && text != "all" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return opts, wire.New(wire.CodeInvalid, "tail: %q is not a number of lines", text).WithField("tail")
		}
		opts.Tail = n
	}
	if text := query.Get("since"); text != "" {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return opts, wire.New(wire.CodeInvalid, "since: %q is not a time: want one such as 2026-01-31T12:00:00Z", text).WithField("since")
		}
		opts.Since = since
	}
	return opts, nil
}
