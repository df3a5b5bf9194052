package api

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"cube/worker/client"
	"cube/worker/wire"
)

// getLogs answers GET /tasks/{id}/logs: the output as the worker streams it.
func (a *api) getLogs(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	query, err := logQuery(r.URL.Query())
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

// logQuery reads ?follow=1&tail=100&since=RFC3339&stdout=1&stderr=1.
func logQuery(query url.Values) (client.LogQuery, error) {
	q := client.LogQuery{Tail: -1}
	for name, field := range map[string]*bool{"follow": &q.Follow, "stdout": &q.Stdout, "stderr": &q.Stderr} {
		value, err := flag(query, name)
		if err != nil {
			return q, err
		}
		*field = value
	}
	if text := query.Get("tail"); text != "" {
		lines, err := strconv.Atoi(text)
		if err != nil {
			return q, wire.New(wire.CodeInvalid, "tail: %q is not a number of lines", text).WithField("tail")
		}
		q.Tail = lines
	}
	if text := query.Get("since"); text != "" {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return q, wire.New(wire.CodeInvalid, "since: %q is not a time; want RFC 3339, such as 2026-01-02T15:04:05Z", text).WithField("since")
		}
		q.Since = since
	}
	return q, nil
}

// flag reads a query parameter that is 1 or 0, true or false; without it, false.
func flag(query url.Values, name string) (bool, error) {
	text := query.Get(name)
	if text == "" {
		return false, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, wire.New(wire.CodeInvalid, "%s: %q is neither 1 nor 0", name, text).WithField(name)
	}
	return value, nil
}
