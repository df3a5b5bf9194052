package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// answering returns a client of a server that answers with handle.
func answering(t *testing.T, handle http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	c, err := New(server.URL+"/below/", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBaseURLs(t *testing.T) {
	for base, good := range map[string]bool{
		"http://127.0.0.1:5556": true, "https://worker.example/path/": true, "http://[::1]:5556": true,
		"": false, "127.0.0.1:5556": false, "ftp://host": false, "http://": false, "http://a b": false, "worker": false,
	} {
		if _, err := New(base, nil); (err == nil) != good {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestRequests(t *testing.T) {
	id := uuid.MustParse("21b23589-5d2d-4731-b5c9-a97e9832d021")
	var got *http.Request
	var body string
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		text, _ := io.ReadAll(r.Body)
		body = string(text)
		w.Header().Set("ETag", `W/"42"`) // weakened by a proxy
		if r.URL.Path == "/below/tasks" && r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `[{"Later":1,"Name":"web"}]`)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	})
	ctx := t.Context()
	for name, test := range map[string]struct {
		call func() error
		want string
	}{
		"submit": {func() error {
			_, err := c.Submit(ctx, task.Event{State: task.Running})
			return err
		}, "POST /below/tasks"},
		"stop":            {func() error { return c.Stop(ctx, id, nil) }, "DELETE /below/tasks/21b23589-5d2d-4731-b5c9-a97e9832d021"},
		"stop allocation": {func() error { n := uint64(0); return c.Stop(ctx, id, &n) }, "DELETE /below/tasks/21b23589-5d2d-4731-b5c9-a97e9832d021?allocation=0"},
		"task":            {func() error { _, err := c.Task(ctx, id); return err }, "GET /below/tasks/21b23589-5d2d-4731-b5c9-a97e9832d021"},
		"list": {func() error {
			answer, err := c.Tasks(ctx, TasksQuery{State: []task.State{task.Running, task.Failed}, Since: 7, Wait: 10 * time.Second})
			if err == nil && (answer.Generation != 42 || len(answer.Tasks) != 1 || answer.Tasks[0].Name != "web") {
				err = errors.New("read wrongly")
			}
			return err
		}, "GET /below/tasks?since=7&state=running&state=failed&wait=10s"},
		"logs": {func() error {
			logs, err := c.Logs(ctx, id, LogQuery{Follow: true, Tail: 5, Since: time.Unix(0, 0).UTC(), Stderr: true})
			if err == nil {
				err = logs.Close()
			}
			return err
		}, "GET /below/tasks/21b23589-5d2d-4731-b5c9-a97e9832d021/logs?follow=1&since=1970-01-01T00%3A00%3A00Z&stderr=1&tail=5"},
		"all logs": {func() error {
			logs, err := c.Logs(ctx, id, LogQuery{Tail: -1})
			if err == nil {
				err = logs.Close()
			}
			return err
		}, "GET /below/tasks/21b23589-5d2d-4731-b5c9-a97e9832d021/logs"},
	} {
		if err := test.call(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if asked := got.Method + " " + got.URL.String(); asked != test.want {
			t.Errorf("%s: asked %s; want %s", name, asked, test.want)
		}
		if got.Method == http.MethodPost && (got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Prefer") != wire.Lenient || !json.Valid([]byte(body))) {
			t.Errorf("%s: headers %v, body %s", name, got.Header, body)
		}
	}
}

func TestErrorsAreTyped(t *testing.T) {
	ctx := t.Context()
	refusing := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		wire.WriteError(w, wire.New(wire.CodeNoRoom, "no room").WithField("Memory"))
	})
	calls := map[string]func(c *Client) error{
		"submit": func(c *Client) error { _, err := c.Submit(ctx, task.Event{}); return err },
		"stop":   func(c *Client) error { return c.Stop(ctx, uuid.New(), nil) },
		"list":   func(c *Client) error { _, err := c.Tasks(ctx, TasksQuery{}); return err },
		"task":   func(c *Client) error { _, err := c.Task(ctx, uuid.New()); return err },
		"logs":   func(c *Client) error { _, err := c.Logs(ctx, uuid.New(), LogQuery{}); return err },
	}
	for name, call := range calls {
		var refused *wire.Error
		err := call(refusing)
		if !errors.As(err, &refused) || refused.Code != wire.CodeNoRoom || refused.Field != "Memory" || refused.HTTPStatusCode != 409 {
			t.Errorf("%s refused: %#v", name, err)
		}
	}

	// Nobody there, and somebody else there, are no refusals.
	gone := httptest.NewServer(nil)
	gone.Close()
	away, err := New(gone.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	for name, call := range calls {
		if err := call(away); err == nil || errors.As(err, new(*wire.Error)) || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("%s of nobody: %v", name, err)
		}
		if name == "logs" || name == "stop" {
			continue // have no JSON to read
		}
		if err := call(foreign); err == nil || errors.As(err, new(*wire.Error)) || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s of somebody else: %v", name, err)
		}
	}
	untagged := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") })
	if _, err := untagged.Tasks(ctx, TasksQuery{}); err == nil || !strings.Contains(err.Error(), "ETag") {
		t.Errorf("a list without a generation: %v", err)
	}
}

func TestContextsBoundCalls(t *testing.T) {
	c := answering(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Tasks(ctx, TasksQuery{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v; want the deadline", err)
	}
}
