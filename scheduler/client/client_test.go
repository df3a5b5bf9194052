package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// asked is a request as it came in.
type asked struct{ line, body, event, kind string }

// answering starts a server that answers everything in one way, and returns a
// client of it with the requests it gets.
func answering(t *testing.T, status int, header http.Header, body string) (*Client, <-chan asked) {
	t.Helper()
	requests := make(chan asked, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- asked{r.Method + " " + r.URL.String(), string(text), r.Header.Get("Last-Event-ID"), r.Header.Get("Content-Type")}
		for key, values := range header {
			w.Header()[key] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	c, err := New(server.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, requests
}

func TestRequests(t *testing.T) {
	id := uuid.MustParse("11111111-2222-3333-4444-555555555555")
	ctx := t.Context()
	cases := []struct {
		call   func(*Client) error
		answer string
		want   asked
	}{
		{func(c *Client) error { _, err := c.Tasks(ctx); return err }, "[]", asked{line: "GET /tasks"}},
		{func(c *Client) error { _, err := c.Task(ctx, id); return err }, "{}", asked{line: "GET /tasks/" + id.String()}},
		{func(c *Client) error { return c.Stop(ctx, id) }, "", asked{line: "DELETE /tasks/" + id.String()}},
		{func(c *Client) error { _, err := c.Decision(ctx, id); return err }, "{}", asked{line: "GET /tasks/" + id.String() + "/decision"}},
		{func(c *Client) error { _, err := c.SubmitJSON(ctx, []byte(`{"a":1}`)); return err }, "{}",
			asked{line: "POST /tasks", body: `{"a":1}`, kind: "application/json"}},
		{func(c *Client) error { _, err := c.Join(ctx, wire.Join{URL: "http://a:1"}); return err }, "{}",
			asked{line: "POST /nodes", body: `{"URL":"http://a:1"}`, kind: "application/json"}},
		{func(c *Client) error { _, err := c.Node(ctx, "a:1"); return err }, "{}", asked{line: "GET /nodes/a:1"}},
		{func(c *Client) error { _, err := c.Drain(ctx, "a b", time.Minute); return err }, "{}",
			asked{line: "POST /nodes/a%20b/drain", body: `{"MoveWithin":60}`, kind: "application/json"}},
		{func(c *Client) error { _, err := c.Resume(ctx, "a"); return err }, "{}",
			asked{line: "POST /nodes/a/resume", body: "{}", kind: "application/json"}},
		{func(c *Client) error { return c.RemoveNode(ctx, "a", true) }, "", asked{line: "DELETE /nodes/a?force=1"}},
		{func(c *Client) error { return c.RemoveNode(ctx, "a", false) }, "", asked{line: "DELETE /nodes/a"}},
		{func(c *Client) error {
			_, err := c.ListTasks(ctx, TasksQuery{State: []task.State{task.Pending, task.Running}, Node: "a", Limit: 5, After: "7"})
			return err
		}, "[]", asked{line: "GET /tasks?after=7&limit=5&node=a&state=pending&state=running"}},
		{func(c *Client) error {
			output, err := c.Logs(ctx, id, LogQuery{Follow: true, Tail: -1, Stderr: true})
			if err != nil {
				return err
			}
			return output.Close()
		}, "", asked{line: "GET /tasks/" + id.String() + "/logs?follow=1&stderr=1"}},
	}
	for _, c := range cases {
		t.Run(c.want.line, func(t *testing.T) {
			client, requests := answering(t, http.StatusOK, nil, c.answer)
			if err := c.call(client); err != nil {
				t.Fatal(err)
			}
			if got := <-requests; got != c.want {
				t.Errorf("it asks %+v, want %+v", got, c.want)
			}
		})
	}
}

// The book's command line reports success on HTTP errors.
func TestRefusalIsAnError(t *testing.T) {
	client, _ := answering(t, http.StatusConflict, nil,
		`{"HTTPStatusCode":409,"Code":"event_conflict","Message":"there is a task already","Field":"ID"}`)
	_, err := client.Submit(t.Context(), &task.Task{Command: []string{"true"}})
	var refused *wire.Error
	if !errors.As(err, &refused) || refused.Code != wire.CodeEventConflict || refused.Field != "ID" {
		t.Errorf("the error is %v", err)
	}
	client, _ = answering(t, http.StatusBadGateway, nil, "<html>proxy</html>")
	if err := client.Stop(t.Context(), uuid.New()); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("the error is %v", err)
	}
	client, _ = answering(t, http.StatusOK, nil, `[{"ID":`)
	if _, err := client.Tasks(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("an answer that is cut off: %v", err)
	}
}

// A list goes in as many requests as the manager's bounds call for, each task
// with an ID.
func TestSubmitAllInParts(t *testing.T) {
	var sizes []int
	seen := map[uuid.UUID]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bodies, isList, err := wire.DecodeTasks(r)
		if err != nil || !isList {
			t.Errorf("a part is %v, %v", isList, err)
		}
		outcomes := make([]wire.Submitted, len(bodies))
		for i, body := range bodies {
			outcomes[i].ID = body.Task.ID
			seen[body.Task.ID] = true
		}
		sizes = append(sizes, len(bodies))
		wire.WriteJSON(w, http.StatusCreated, outcomes)
	}))
	defer server.Close()
	c, err := New(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	var tasks []*task.Task
	for range 1100 {
		tasks = append(tasks, &task.Task{Command: []string{"true"}})
	}
	for range 6 { // three fit into a request
		tasks = append(tasks, &task.Task{Command: []string{strings.Repeat("x", 300_000)}})
	}
	outcomes, err := c.SubmitAll(t.Context(), tasks)
	if err != nil || len(outcomes) != 1106 || !slices.Equal(sizes, []int{1000, 103, 3}) || len(seen) != 1106 {
		t.Fatalf("%d outcomes in parts of %v, %v", len(outcomes), sizes, err)
	}
	for i := range outcomes {
		if outcomes[i].ID != tasks[i].ID {
			t.Fatalf("outcome %d is of %s, want %s", i, outcomes[i].ID, tasks[i].ID)
		}
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:5555", "ftp://a", "http://", "::"} {
		if _, err := New(bad, nil); err == nil {
			t.Errorf("%q is taken for a URL", bad)
		}
	}
}

func TestPageHasItsCursorAndVersion(t *testing.T) {
	client, _ := answering(t, http.StatusOK, http.Header{
		"Link": {`</tasks?after=42&limit=2>; rel="next"`}, "Etag": {`"abc-7"`},
	}, `[{"ID":"11111111-2222-3333-4444-555555555555","State":"running"}]`)
	page, err := client.ListTasks(t.Context(), TasksQuery{})
	if err != nil || page.Next != "42" || page.Version != "abc-7" || page.Tasks[0].State != task.Running {
		t.Errorf("the page is %+v, %v", page, err)
	}
}

func TestWatchYieldsChangesUntilTheStreamEnds(t *testing.T) {
	const id = "11111111-2222-3333-4444-555555555555"
	stream := "retry: 1000\n\n: still here\n\n" +
		fmt.Sprintf("event: task\ndata: {\"ID\":%q,\"State\":\"running\"}\n\n", id) +
		fmt.Sprintf("event: gone\nid: abc-9\ndata: {\"ID\":%q}\n\n", id)
	client, requests := answering(t, http.StatusOK, nil, stream)
	var changes []TaskChange
	var last error
	for change, err := range client.Watch(t.Context(), "abc-7") {
		if last = err; err == nil {
			changes = append(changes, change)
		}
	}
	if got := <-requests; got.event != "abc-7" {
		t.Errorf("it asks from %q", got.event)
	}
	if len(changes) != 2 || changes[0].Task == nil || changes[0].Task.State != task.Running || changes[0].Version != "" ||
		changes[1].Task != nil || changes[1].ID.String() != id || changes[1].Version != "abc-9" {
		t.Errorf("the changes are %+v", changes)
	}
	if !errors.Is(last, io.ErrUnexpectedEOF) {
		t.Errorf("it ends with %v", last)
	}
}

func TestWatchTellsThatTheListIsToBeReadAgain(t *testing.T) {
	client, _ := answering(t, http.StatusOK, nil, "event: reset\nid: abc-9\ndata: {}\n\n")
	for change, err := range client.Watch(t.Context(), "old-1") {
		if !errors.Is(err, ErrReset) || change.Version != "abc-9" {
			t.Errorf("it yields %+v, %v", change, err)
		}
	}
}

func TestBackupIsCopiedAndACutOneIsAnError(t *testing.T) {
	client, requests := answering(t, http.StatusOK, nil, "the store")
	var copied strings.Builder
	if n, err := client.Backup(t.Context(), &copied); err != nil || n != 9 || copied.String() != "the store" {
		t.Errorf("%d bytes %q, %v", n, copied.String(), err)
	}
	if got := <-requests; got.line != "POST /backup" {
		t.Errorf("it asks %+v", got)
	}
	client, _ = answering(t, http.StatusOK, http.Header{"Content-Length": {"100"}}, "the st")
	if _, err := client.Backup(t.Context(), io.Discard); err == nil {
		t.Error("a backup that was cut off looks whole")
	}
}
