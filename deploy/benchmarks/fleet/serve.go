package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// answer is what a request is answered by.
type answer struct {
	status int
	kind   string // its Content-Type
	tag    string // its ETag without quotes; empty for none
	base   string // its Delta-Base
	body   bytes.Buffer
}

// serve answers the requests of one connection, one after the other. It is less
// of a server than net/http's, which would take as much as the manager does.
func (w *worker) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 1<<10)
	var out bytes.Buffer
	var a answer
	for {
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if w.lost.Load() {
			<-ctx.Done() // as if the machine had no power
			return
		}
		a.reset()
		w.route(ctx, request, &a)
		_, _ = io.Copy(io.Discard, request.Body)
		out.Reset()
		a.write(&out)
		if w.lost.Load() {
			<-ctx.Done()
			return
		}
		if _, err := conn.Write(out.Bytes()); err != nil {
			return
		}
		if out.Cap() > keepBuffer {
			out, a = bytes.Buffer{}, answer{} // ten thousand pages need not be kept
		}
	}
}

// keepBuffer is how large a buffer is kept for the next answer of a connection.
const keepBuffer = 8 << 10

func (a *answer) reset() {
	a.body.Reset()
	a.status, a.kind, a.tag, a.base = http.StatusOK, "application/json", "", ""
}

func (a *answer) write(out *bytes.Buffer) {
	out.WriteString("HTTP/1.1 ")
	out.WriteString(strconv.Itoa(a.status))
	out.WriteByte(' ')
	out.WriteString(http.StatusText(a.status))
	if a.status != http.StatusNoContent {
		out.WriteString("\r\nContent-Type: ")
		out.WriteString(a.kind)
		out.WriteString("\r\nContent-Length: ")
		out.WriteString(strconv.Itoa(a.body.Len()))
	}
	if a.tag != "" {
		out.WriteString("\r\nETag: \"" + a.tag + "\"")
	}
	if a.base != "" {
		out.WriteString("\r\n" + wire.DeltaBase + ": \"" + a.base + "\"")
	}
	out.WriteString("\r\n\r\n")
	out.Write(a.body.Bytes())
}

// route does what is asked for.
func (w *worker) route(ctx context.Context, r *http.Request, a *answer) {
	id, named := strings.CutPrefix(r.URL.Path, "/tasks/")
	var err error
	switch {
	case r.URL.Path == "/metrics" && r.Method == http.MethodGet:
		a.kind = "text/plain; version=0.0.4; charset=utf-8"
		w.page.write(&a.body, w)
	case r.URL.Path == "/tasks" && r.Method == http.MethodPost:
		err = w.serveSubmit(r, a)
	case r.URL.Path == "/tasks" && r.Method == http.MethodGet:
		w.serveList(ctx, r, a)
	case named && r.Method == http.MethodDelete:
		err = w.serveStop(id, r, a)
	default:
		err = wire.New(wire.CodeNotFound, "%s %s is not simulated", r.Method, r.URL.Path)
	}
	if err != nil {
		refused := wire.AsError(err)
		a.status = refused.HTTPStatusCode
		a.body.Reset()
		_ = json.NewEncoder(&a.body).Encode(refused) // a struct that always can be
	}
}

func (w *worker) serveSubmit(r *http.Request, a *answer) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return wire.New(wire.CodeBadRequest, "%v", err)
	}
	var event task.Event
	if err := wire.Unmarshal(body, &event, true); err != nil {
		return err
	}
	text, created, err := w.submit(&event)
	if err != nil {
		return err
	}
	if created {
		a.status = http.StatusCreated
	}
	a.body.Write(text)
	return nil
}

func (w *worker) serveList(ctx context.Context, r *http.Request, a *answer) {
	query := r.URL.Query()
	since, _ := strconv.ParseUint(query.Get("since"), 10, 64)
	if wait, err := time.ParseDuration(query.Get("wait")); err == nil && wait > 0 {
		w.await(ctx, since, wait)
	}
	generation, partial := w.list(&a.body, since, query.Get("changed") == "1")
	a.tag = strconv.FormatUint(generation, 10)
	if partial {
		a.base = strconv.FormatUint(since, 10)
	}
}

func (w *worker) serveStop(id string, r *http.Request, a *answer) error {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return wire.New(wire.CodeInvalid, "%q is not a UUID", id)
	}
	var allocation *uint64
	if text := r.URL.Query().Get("allocation"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return wire.New(wire.CodeInvalid, "allocation: %q is not a number", text)
		}
		allocation = &n
	}
	a.status = http.StatusNoContent
	return w.stop(parsed, allocation)
}
