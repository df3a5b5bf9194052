package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/wire"
)

// bodyTimeout bounds how long a client may take over a request's body.
const bodyTimeout = 30 * time.Second

// maxWait bounds how long an answer is held back for a change.
const maxWait = 5 * time.Minute

// submit serves POST /tasks.
func (h *handler) submit(w http.ResponseWriter, r *http.Request) error {
	// Where the connection cannot have a deadline, the server's own stands.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	var event task.Event
	if err := wire.Decode(r, &event); err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	t, created, err := h.worker.Submit(r.Context(), event)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/tasks/"+t.ID.String())
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return answer(w, status, t.Masked())
}

// list serves GET /tasks. The ETag is the generation; with since and wait the
// answer comes once the generation is another one or the wait is over. With
// since and changed it has only what changed after since, and says so by a
// Delta-Base (RFC 3229), where since is known here; it is not held up for that
// tasks were accepted.
func (h *handler) list(w http.ResponseWriter, r *http.Request) error {
	filter, since, wait, err := listQuery(r)
	if err != nil {
		return err
	}
	onlyChanged, err := wire.ParseFlag(r.URL.Query(), "changed")
	if err != nil {
		return err
	}
	if wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		await := h.worker.Changed
		if onlyChanged {
			await = h.worker.News
		}
		err := await(ctx, since)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	var tasks []*task.Task
	var generation uint64
	if onlyChanged {
		var known bool
		if tasks, generation, known = h.worker.Changes(filter, since); known {
			w.Header().Set(wire.DeltaBase, `"`+strconv.FormatUint(since, 10)+`"`)
		}
	} else {
		tasks, generation = h.worker.Snapshot(filter)
	}
	tag := `"` + strconv.FormatUint(generation, 10) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	for i, t := range tasks {
		tasks[i] = t.Masked()
	}
	return answer(w, http.StatusOK, tasks)
}

// listQuery reads the list's query.
func listQuery(r *http.Request) (filter worker.Filter, since uint64, wait time.Duration, err error) {
	query := r.URL.Query()
	for _, values := range query["state"] {
		for text := range strings.SplitSeq(values, ",") {
			if text == "" {
				continue
			}
			state, err := task.ParseState(text)
			if err != nil {
				return filter, 0, 0, wire.New(wire.CodeInvalid, "state: %v", err).WithField("state")
			}
			filter.States = append(filter.States, state)
		}
	}
	if text := query.Get("since"); text != "" {
		since, err = strconv.ParseUint(strings.Trim(text, `"`), 10, 64)
		if err != nil {
			return filter, 0, 0, wire.New(wire.CodeInvalid, "since: %q is not a generation: want a number that an ETag gave", text).WithField("since")
		}
	}
	if text := query.Get("wait"); text != "" {
		wait, err = time.ParseDuration(text)
		if err != nil || wait < 0 {
			return filter, 0, 0, wire.New(wire.CodeInvalid, "wait: %q is not a time to wait: want one such as 10s", text).WithField("wait")
		}
		wait = min(wait, maxWait)
	}
	return filter, since, wait, nil
}

// matches reports whether an If-None-Match names the tag (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}

// show serves GET /tasks/{taskID}.
func (h *handler) show(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	t, err := h.worker.Task(id)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, t.Masked())
}

// stop serves DELETE /tasks/{taskID}.
func (h *handler) stop(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	var allocation *uint64
	if text := r.URL.Query().Get("allocation"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return wire.New(wire.CodeInvalid, "allocation: %q is not an allocation: want a whole number from 0 up", text).WithField("allocation")
		}
		allocation = &n
	}
	if err := h.worker.Stop(r.Context(), id, allocation); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
