package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/api"
	"cube/worker/bolt"
	"cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
	"cube/worker/workertest"
)

// server is a worker behind HTTP, with the real store and a runtime in memory.
type server struct {
	*httptest.Server
	t       *testing.T
	worker  *worker.Worker
	runtime *workertest.Runtime
	client  *client.Client
}

func serve(t *testing.T) *server {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "worker.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	runtime := workertest.NewRuntime()
	w, err := worker.New(t.Context(), worker.Config{
		Runtime: runtime, Store: store,
		Capacity: func() (task.Resources, error) {
			return task.Resources{Cpu: 64, Memory: 64 << 30, Disk: 64 << 30}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stats := func() (any, error) { return map[string]int{"TaskCount": len(w.Tasks(worker.Filter{}))}, nil }
	s := &server{Server: httptest.NewServer(api.New(api.Config{Worker: w, Stats: stats})), t: t, worker: w, runtime: runtime}
	t.Cleanup(func() {
		s.Close()
		cancel()
		if err := errors.Join(<-done, store.Close()); err != nil {
			t.Error(err)
		}
	})
	if s.client, err = client.New(s.URL, s.Client()); err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends a request and returns status, headers and body.
func (s *server) ask(method, path, body string, header ...string) (int, http.Header, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := s.Client().Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

// await waits until the task is in the state.
func (s *server) await(id uuid.UUID, state task.State) *task.Task {
	s.t.Helper()
	for {
		generation := s.worker.Generation()
		got, err := s.client.Task(s.t.Context(), id)
		if err == nil && got.State == state {
			return got
		}
		if err != nil && !errors.Is(err, wire.New(wire.CodeNotFound, "")) {
			s.t.Fatal(err)
		}
		if err := s.worker.Changed(s.t.Context(), generation); err != nil {
			s.t.Fatalf("task %v is not %s: %v", id, state, err)
		}
	}
}

func event(id uuid.UUID, allocation uint64) task.Event {
	return task.Event{ID: uuid.New(), State: task.Running, Timestamp: time.Now(), Task: task.Task{
		ID: id, Name: "web", Command: []string{"serve"}, Env: []string{"TOKEN=hunter2"}, Cpu: 0.5, Memory: 1 << 20, Allocation: allocation,
	}}
}

func TestTaskOverHTTP(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	e := event(uuid.New(), 1)
	got, err := s.client.Submit(ctx, e)
	if err != nil || got.ID != e.Task.ID {
		t.Fatalf("submit: %+v, %v", got, err)
	}
	if again, err := s.client.Submit(ctx, e); err != nil || again.ID != e.Task.ID {
		t.Fatalf("submit again: %+v, %v", again, err)
	}
	s.await(e.Task.ID, task.Running)

	list, err := s.client.Tasks(ctx, client.TasksQuery{State: []task.State{task.Running, task.Failed}})
	if err != nil || len(list.Tasks) != 1 || list.Generation == 0 {
		t.Fatalf("list: %+v, %v", list, err)
	}
	if env := list.Tasks[0].Env; len(env) != 1 || env[0] != "TOKEN=***" {
		t.Errorf("Env is %v; want it masked", env)
	}

	logs, err := s.client.Logs(ctx, e.Task.ID, client.LogQuery{Tail: -1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(logs)
	if err != nil || !strings.Contains(string(text), e.Task.ID.String()) {
		t.Errorf("logs: %q, %v", text, err)
	}
	_ = logs.Close()

	changed := make(chan client.TasksAnswer)
	go func() {
		answer, err := s.client.Tasks(ctx, client.TasksQuery{Since: list.Generation, Wait: time.Minute})
		if err != nil {
			t.Error(err)
		}
		changed <- answer
	}()
	if err := s.client.Stop(ctx, e.Task.ID, nil); err != nil {
		t.Fatal(err)
	}
	if answer := <-changed; answer.Generation <= list.Generation {
		t.Errorf("generation %d after %d", answer.Generation, list.Generation)
	}
	ended := s.await(e.Task.ID, task.Completed)
	if ended.ExitCode == nil || *ended.ExitCode != 143 {
		t.Errorf("exit code %v", ended.ExitCode)
	}
	if err := s.client.Stop(ctx, e.Task.ID, nil); err != nil {
		t.Errorf("stop again: %v", err)
	}
}

// TestListOfChanges reads what has changed since a generation, and the whole
// list where the worker cannot know.
func TestListOfChanges(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	first, second := event(uuid.New(), 1), event(uuid.New(), 1)
	for _, e := range []task.Event{first, second} {
		if _, err := s.client.Submit(ctx, e); err != nil {
			t.Fatal(err)
		}
		s.await(e.Task.ID, task.Running)
	}
	whole, err := s.client.Tasks(ctx, client.TasksQuery{})
	if err != nil || len(whole.Tasks) != 2 || whole.Partial {
		t.Fatalf("the whole list: %+v, %v", whole, err)
	}
	since := func(generation uint64, states ...task.State) client.TasksAnswer {
		t.Helper()
		answer, err := s.client.Tasks(ctx, client.TasksQuery{Since: generation, Changed: true, State: states})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if none := since(whole.Generation); len(none.Tasks) != 0 || !none.Partial || none.Generation != whole.Generation {
		t.Errorf("nothing has changed, and the answer is %+v", none)
	}
	if err := s.client.Stop(ctx, first.Task.ID, nil); err != nil {
		t.Fatal(err)
	}
	s.await(first.Task.ID, task.Completed)
	if one := since(whole.Generation); len(one.Tasks) != 1 || one.Tasks[0].ID != first.Task.ID || !one.Partial || one.Generation <= whole.Generation {
		t.Errorf("one has changed, and the answer is %+v", one)
	}
	if none := since(whole.Generation, task.Running); len(none.Tasks) != 0 || !none.Partial {
		t.Errorf("no running one has changed, and the answer is %+v", none)
	}
	for name, generation := range map[string]uint64{"another life's": 1, "none yet": whole.Generation + 1e6, "no": 0} {
		if all := since(generation); len(all.Tasks) != 2 || all.Partial {
			t.Errorf("since %s generation: %+v; want the whole list", name, all)
		}
	}
}

// patternOf is the route that a path belongs to; none is empty.
func patternOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case path == "/tasks" || path == "/stats":
		return path
	case parts[0] == "tasks" && len(parts) == 2:
		return "/tasks/{taskID}"
	case parts[0] == "tasks" && len(parts) == 3:
		return "/tasks/{taskID}/" + parts[2]
	}
	return ""
}

func TestStatusCodes(t *testing.T) {
	s := serve(t)
	description := readDescription(t, "worker.yaml")
	known := event(uuid.New(), 2)
	if _, err := s.client.Submit(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	s.await(known.Task.ID, task.Running)
	marshal := func(e task.Event) string {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	conflict, stale, huge, book := known, event(known.Task.ID, 1), event(uuid.New(), 1), event(uuid.New(), 0)
	conflict.Task.Cpu = 1
	huge.Task.Memory = 1 << 50
	book.Task.State = task.Scheduled
	id := known.Task.ID.String()
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		code                     wire.Code
	}{
		{"list", "GET", "/tasks", "", 200, ""},
		{"list, no body", "HEAD", "/tasks", "", 200, ""},
		{"list by state", "GET", "/tasks?state=running,failed&state=3", "", 200, ""},
		{"list by no state", "GET", "/tasks?state=asleep", "", 400, wire.CodeInvalid},
		{"since what", "GET", "/tasks?since=x", "", 400, wire.CodeInvalid},
		{"wait backwards", "GET", "/tasks?wait=-1s", "", 400, wire.CodeInvalid},
		{"start", "POST", "/tasks", marshal(book), 201, ""},
		{"start again", "POST", "/tasks", marshal(book), 200, ""},
		{"conflict", "POST", "/tasks", marshal(conflict), 409, wire.CodeEventConflict},
		{"stale", "POST", "/tasks", marshal(stale), 409, wire.CodeStaleAllocation},
		{"no room", "POST", "/tasks", marshal(huge), 409, wire.CodeNoRoom},
		{"not JSON", "POST", "/tasks", "{", 400, wire.CodeBadRequest},
		{"unknown field", "POST", "/tasks", `{"Stat":"running"}`, 400, wire.CodeInvalid},
		{"state 99", "POST", "/tasks", `{"State":99}`, 400, wire.CodeInvalid},
		{"an empty object", "POST", "/tasks", `{}`, 400, wire.CodeInvalid},
		{"null", "POST", "/tasks", `null`, 400, wire.CodeInvalid},
		{"show", "GET", "/tasks/" + id, "", 200, ""},
		{"show unknown", "GET", "/tasks/" + uuid.NewString(), "", 404, wire.CodeNotFound},
		{"show no UUID", "GET", "/tasks/web", "", 400, wire.CodeInvalid},
		{"show another spelling", "GET", "/tasks/" + strings.ReplaceAll(id, "-", ""), "", 400, wire.CodeInvalid},
		{"path trick", "GET", "/tasks/..%2f..%2fetc%2fpasswd", "", 400, wire.CodeInvalid},
		{"logs unknown", "GET", "/tasks/" + uuid.NewString() + "/logs", "", 404, wire.CodeNotFound},
		{"logs by halves", "GET", "/tasks/" + id + "/logs?tail=half", "", 400, wire.CodeInvalid},
		{"logs follow maybe", "GET", "/tasks/" + id + "/logs?follow=maybe", "", 400, wire.CodeInvalid},
		{"logs since when", "GET", "/tasks/" + id + "/logs?since=yesterday", "", 400, wire.CodeInvalid},
		{"stop stale", "DELETE", "/tasks/" + id + "?allocation=1", "", 409, wire.CodeStaleAllocation},
		{"stop which", "DELETE", "/tasks/" + id + "?allocation=x", "", 400, wire.CodeInvalid},
		{"stop unknown", "DELETE", "/tasks/" + uuid.NewString(), "", 404, wire.CodeNotFound},
		{"stop unknown, fenced", "DELETE", "/tasks/" + uuid.NewString() + "?allocation=1", "", 204, ""},
		{"stop no UUID", "DELETE", "/tasks/42", "", 400, wire.CodeInvalid},
		{"stop", "DELETE", "/tasks/" + id, "", 204, ""},
		{"stop again", "DELETE", "/tasks/" + id, "", 204, ""},
		{"stats", "GET", "/stats", "", 200, ""},
		{"wrong method", "PUT", "/tasks", "", 405, wire.CodeMethodNotAllowed},
		{"wrong method on a task", "POST", "/tasks/" + id, "", 405, wire.CodeMethodNotAllowed},
		{"wrong method on stats", "DELETE", "/stats", "", 405, wire.CodeMethodNotAllowed},
		{"unknown route", "GET", "/nothing", "", 404, wire.CodeNotFound},
		{"root", "GET", "/", "", 404, wire.CodeNotFound},
	} {
		status, header, body := s.ask(test.method, test.path, test.body)
		if status != test.status {
			t.Errorf("%s: %d %s; want %d", test.name, status, body, test.status)
			continue
		}
		if pattern := patternOf(test.path); status != 405 && pattern != "" && test.method != "HEAD" && !description.described(test.method, pattern, status) {
			t.Errorf("%s: the answer %d to %s %s is not described", test.name, status, test.method, pattern)
		}
		if test.code == "" {
			continue
		}
		var e wire.Error
		if err := json.Unmarshal([]byte(body), &e); err != nil || e.Code != test.code || e.HTTPStatusCode != test.status || e.Message == "" {
			t.Errorf("%s: %s, %v; want the code %s in the one shape", test.name, body, err, test.code)
		}
		if header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: Content-Type %q", test.name, header.Get("Content-Type"))
		}
		if (status == http.StatusMethodNotAllowed) != (header.Get("Allow") != "") {
			t.Errorf("%s: Allow is %q", test.name, header.Get("Allow"))
		}
	}
}

func TestETagTellsAChange(t *testing.T) {
	s := serve(t)
	status, header, body := s.ask("GET", "/tasks", "")
	tag := header.Get("ETag")
	if status != 200 || tag == "" || strings.TrimSpace(body) != "[]" {
		t.Fatalf("%d, ETag %q, %s", status, tag, body)
	}
	if status, _, body = s.ask("GET", "/tasks", "", "If-None-Match", tag); status != 304 || body != "" {
		t.Errorf("unchanged: %d %q; want 304", status, body)
	}
	e := event(uuid.New(), 1)
	if _, err := s.client.Submit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if status, header, _ = s.ask("GET", "/tasks", "", "If-None-Match", tag); status != 200 || header.Get("ETag") == tag {
		t.Errorf("changed: %d, ETag %q; was %q", status, header.Get("ETag"), tag)
	}
}

func TestWaitEndsWithoutAChange(t *testing.T) {
	s := serve(t)
	before, err := s.client.Tasks(t.Context(), client.TasksQuery{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	after, err := s.client.Tasks(t.Context(), client.TasksQuery{Since: before.Generation, Wait: 50 * time.Millisecond})
	if err != nil || after.Generation != before.Generation || time.Since(began) < 50*time.Millisecond {
		t.Errorf("%+v, %v after %v; want the same list after 50ms", after, err, time.Since(began))
	}
}

func TestFollowEndsWithTheTask(t *testing.T) {
	s := serve(t)
	e := event(uuid.New(), 1)
	if _, err := s.client.Submit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	logs, err := s.client.Logs(t.Context(), e.Task.ID, client.LogQuery{Follow: true, Tail: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	first := make([]byte, len("output of "))
	if _, err := io.ReadFull(logs, first); err != nil || string(first) != "output of " {
		t.Fatalf("%q, %v; want output while the task runs", first, err)
	}
	s.await(e.Task.ID, task.Running)
	s.runtime.Exit(worker.Key{Task: e.Task.ID, Allocation: 1}, 0)
	if _, err := io.ReadAll(logs); err != nil {
		t.Errorf("the end: %v", err)
	}
}

func TestWithoutAWorkerTheMachineIsStillServed(t *testing.T) {
	handler := api.New(api.Config{Fault: errors.New("worker.db is damaged"), Stats: func() (any, error) { return struct{ CpuUsage float64 }{0.5}, nil }})
	for path, want := range map[string]int{"/stats": 200, "/tasks": 503, "/tasks/" + uuid.NewString(): 503} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest("GET", path, nil))
		if recorder.Code != want || (want == 503) != strings.Contains(recorder.Body.String(), "worker.db is damaged") {
			t.Errorf("%s: %d %s; want %d", path, recorder.Code, recorder.Body, want)
		}
	}
}
