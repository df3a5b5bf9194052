package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"cube/scheduler"
	"cube/scheduler/bolt"
	"cube/scheduler/manager"
	"cube/scheduler/policy"
	"cube/scheduler/scrape"
	"cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// stillWorker accepts everything and runs it.
type stillWorker struct {
	mu    sync.Mutex
	tasks []*task.Task
}

func (w *stillWorker) Submit(_ context.Context, event task.Event) (*task.Task, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := event.Task
	t.State = task.Running
	w.tasks = append(w.tasks, &t)
	return t.Clone(), nil
}

func (w *stillWorker) Stop(context.Context, uuid.UUID, *uint64) error { return nil }

func (w *stillWorker) Tasks(ctx context.Context, q client.TasksQuery) (client.TasksAnswer, error) {
	if q.Wait > 0 {
		<-ctx.Done() // nothing ever changes
		return client.TasksAnswer{}, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return client.TasksAnswer{Tasks: slices.Clone(w.tasks), Generation: 1}, nil
}

func (w *stillWorker) Logs(_ context.Context, id uuid.UUID, q client.LogQuery) (io.ReadCloser, error) {
	if q.Tail == 13 {
		return nil, errors.New("connection refused")
	}
	return io.NopCloser(strings.NewReader("output of " + id.String() + "?" + q.Values().Encode())), nil
}

// onceScraper reads every target once, as a machine with room.
type onceScraper struct {
	now   func() scheduler.Instant
	sink  func(scrape.Result)
	nodes chan string
}

func (s *onceScraper) SetTargets(targets []scrape.Target) {
	for _, target := range targets {
		s.nodes <- target.Node
	}
}

func (s *onceScraper) ScrapeNow(string) {}

func (s *onceScraper) Run(ctx context.Context) error {
	for {
		select {
		case node := <-s.nodes:
			s.sink(scrape.Result{Node: node, Reading: scheduler.Reading{
				Node: node, At: s.now(), CpuUsage: 0.5, CpuCores: 2, MemoryTotal: 4 << 30, MemoryAvailable: 2 << 30,
				DiskTotal: 1 << 40, DiskAvailable: 1 << 39, AllocatableCpu: 2, AllocatableMemory: 3 << 30, AllocatableDisk: 1 << 39,
				Clock: scheduler.Absent(), CpuWindow: 15, Load1: scheduler.Absent(),
				OvercommitCpu: scheduler.Absent(), TasksGeneration: scheduler.Absent(),
			}})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *onceScraper) Describe(chan<- *prometheus.Desc) {}

func (s *onceScraper) Collect(chan<- prometheus.Metric) {}

// serve starts a manager and returns its API's URL.
func serve(t *testing.T) (*manager.Manager, string) {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "manager.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ranked, err := policy.New("spread")
	if err != nil {
		t.Fatal(err)
	}
	m, err := manager.New(manager.Config{
		Store: store, Scheduler: scheduler.Config{Policy: ranked},
		NewWorker: func(string) (manager.Worker, error) { return new(stillWorker), nil },
		NewScraper: func(now func() scheduler.Instant, sink func(scrape.Result)) (manager.Scraper, error) {
			return &onceScraper{now: now, sink: sink, nodes: make(chan string, 100)}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	server := httptest.NewServer(New(Config{Manager: m}))
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
		server.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, server.URL
}

// ask sends a request and returns the answer with its body read.
func ask(t *testing.T, method, target, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := new(http.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// submitOne submits a task that fits nowhere before a node has joined.
func submitOne(t *testing.T, base, body string) wire.PlacedTask {
	t.Helper()
	answer, text := ask(t, "POST", base+"/tasks", body)
	if answer.StatusCode != http.StatusCreated {
		t.Fatalf("POST /tasks: %s %s", answer.Status, text)
	}
	var placed wire.PlacedTask
	if err := json.Unmarshal([]byte(text), &placed); err != nil {
		t.Fatal(err)
	}
	if location := answer.Header.Get("Location"); location != "/tasks/"+placed.ID.String() {
		t.Errorf("the Location is %q", location)
	}
	return placed
}

// Each bad request gets one sentence that names the thing, and the right status.
func TestRefusals(t *testing.T) {
	_, base := serve(t)
	placed := submitOne(t, base, `{"Command":["true"]}`)
	unknown := uuid.NewString()
	cases := []struct {
		name, method, path, body string
		status                   int
		code                     wire.Code
		says                     string
	}{
		{"not JSON", "POST", "/tasks", `{"Command":`, 400, wire.CodeBadRequest, "cut off"},
		{"empty list", "POST", "/tasks", `[]`, 400, wire.CodeInvalid, "the list is empty"},
		{"a number", "POST", "/tasks", `5`, 400, wire.CodeInvalid, "the body: a JSON number does not fit; want an object"},
		{"too many tasks", "POST", "/tasks", "[" + strings.Repeat("{},", wire.MaxTasks) + "{}]", 413, wire.CodeTooLarge, "1001"},
		{"unknown field", "POST", "/tasks", `{"Command":["true"],"Memroy":1}`, 400, wire.CodeInvalid, "Memroy"},
		{"negative CPU", "POST", "/tasks", `{"Command":["true"],"Cpu":-1}`, 400, wire.CodeInvalid, "Cpu"},
		{"a memory of lots", "POST", "/tasks", `{"Command":["true"],"Memory":"lots"}`, 400, wire.CodeInvalid, "lots"},
		{"nothing to run", "POST", "/tasks", `{"Name":"a"}`, 400, wire.CodeInvalid, "Command"},
		{"state 99", "POST", "/tasks", `{"State":99,"Task":{"Command":["true"]}}`, 400, wire.CodeInvalid, "99"},
		{"state 99 of the task", "POST", "/tasks", `{"Command":["true"],"State":99}`, 400, wire.CodeInvalid, "99"},
		{"same ID, other task", "POST", "/tasks", `{"ID":"` + placed.ID.String() + `","Command":["false"]}`, 409, wire.CodeEventConflict, placed.ID.String()},
		{"too long", "POST", "/tasks", `{"Name":"` + strings.Repeat("a", wire.MaxBody) + `"}`, 413, wire.CodeTooLarge, "longer"},
		{"unknown task", "GET", "/tasks/" + unknown, "", 404, wire.CodeNotFound, unknown},
		{"stop of an unknown task", "DELETE", "/tasks/" + unknown, "", 404, wire.CodeNotFound, unknown},
		{"stop of no UUID", "DELETE", "/tasks/web", "", 400, wire.CodeInvalid, `"web"`},
		{"output of an unknown task", "GET", "/tasks/" + unknown + "/logs", "", 404, wire.CodeNotFound, unknown},
		{"output of a task on no node", "GET", "/tasks/" + placed.ID.String() + "/logs", "", 404, wire.CodeNotFound, "on no node"},
		{"bad tail", "GET", "/tasks/" + placed.ID.String() + "/logs?tail=many", "", 400, wire.CodeInvalid, "many"},
		{"bad state", "GET", "/tasks?state=lost", "", 400, wire.CodeInvalid, "lost"},
		{"bad limit", "GET", "/tasks?limit=0", "", 400, wire.CodeInvalid, "limit"},
		{"bad cursor", "GET", "/tasks?after=x", "", 400, wire.CodeInvalid, "after"},
		{"join without a URL", "POST", "/nodes", `{}`, 400, wire.CodeInvalid, "URL"},
		{"join with credentials", "POST", "/nodes", `{"URL":"http://user:secret@a:1"}`, 400, wire.CodeInvalid, "credentials"},
		{"join with a bad name", "POST", "/nodes", `{"URL":"http://a:1","Name":"a/b"}`, 400, wire.CodeInvalid, "a/b"},
		{"unknown node", "DELETE", "/nodes/nowhere", "", 404, wire.CodeNotFound, "nowhere"},
		{"drain of an unknown node", "POST", "/nodes/nowhere/drain", "{}", 404, wire.CodeNotFound, "nowhere"},
		{"no such route", "GET", "/task", "", 404, wire.CodeNotFound, "/task"},
		{"no such method", "PUT", "/tasks", `{}`, 405, wire.CodeMethodNotAllowed, "GET"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			answer, text := ask(t, c.method, base+c.path, c.body)
			var e wire.Error
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Fatalf("%s: %q is not the error shape: %v", answer.Status, text, err)
			}
			if answer.StatusCode != c.status || e.HTTPStatusCode != c.status || e.Code != c.code || !strings.Contains(e.Message, c.says) {
				t.Errorf("%s %+v; want %d %s that says %q", answer.Status, e, c.status, c.code, c.says)
			}
			if strings.Contains(text, "secret") {
				t.Errorf("the answer repeats a secret: %s", text)
			}
		})
	}
	if _, text := ask(t, "GET", base+"/tasks", ""); strings.Count(text, `"ID"`) != 1 {
		t.Errorf("a refused request changed something: %s", text)
	}
}

// Tasks of a list are accepted or refused each by itself.
func TestAListOfTasks(t *testing.T) {
	_, base := serve(t)
	ids := []string{uuid.NewString(), uuid.NewString(), uuid.NewString()}
	one := func(i int, rest string) string { return `{"ID":"` + ids[i] + `","Command":["true"]` + rest + `}` }
	for _, c := range []struct {
		name, body string
		status     int
		each       []int
	}{
		{"all accepted", "[" + one(0, "") + ", " + one(1, "") + "]", 201, []int{201, 201}},
		{"the same again", "[" + one(1, "") + ", " + one(0, "") + "]", 200, []int{200, 200}},
		{"one is new", "[" + one(2, "") + ", " + one(0, "") + "]", 200, []int{201, 200}},
		{"some refused", "[" + one(0, `,"Cpu":2`) + `, {"Cmd":1}, 7, {"Command":["true"]}, ` + one(1, `,"Cpu":-1`) + "]", 207, []int{409, 400, 400, 201, 400}},
	} {
		answer, text := ask(t, "POST", base+"/tasks", c.body)
		var outcomes []wire.Submitted
		if err := json.Unmarshal([]byte(text), &outcomes); err != nil || answer.StatusCode != c.status || len(outcomes) != len(c.each) {
			t.Fatalf("%s: %s %s", c.name, answer.Status, text)
		}
		for i, outcome := range outcomes {
			if outcome.HTTPStatusCode != c.each[i] || (outcome.Error != nil) != (c.each[i] >= 400) {
				t.Errorf("%s: %d is %+v, want %d", c.name, i, outcome, c.each[i])
			}
			if outcome.Error == nil {
				if answer, text := ask(t, "GET", base+"/tasks/"+outcome.ID.String(), ""); answer.StatusCode != 200 {
					t.Errorf("%s: %d is not there: %s", c.name, i, text)
				}
			}
		}
	}
}

// The book's empty list is null.
func TestEmptyListsAreLists(t *testing.T) {
	_, base := serve(t)
	for _, path := range []string{"/tasks", "/nodes"} {
		if answer, text := ask(t, "GET", base+path, ""); answer.StatusCode != 200 || text != "[]\n" {
			t.Errorf("GET %s: %s %q", path, answer.Status, text)
		}
	}
}

func TestWrongContentTypeIsRefused(t *testing.T) {
	_, base := serve(t)
	answer, text := ask(t, "POST", base+"/tasks", `{"Command":["true"]}`, "Content-Type", "text/plain")
	if answer.StatusCode != http.StatusUnsupportedMediaType || !strings.Contains(text, "application/json") {
		t.Errorf("%s %s", answer.Status, text)
	}
}

func TestSecretsAreMaskedAndTheBooksEventIsTaken(t *testing.T) {
	_, base := serve(t)
	id := uuid.NewString()
	placed := submitOne(t, base, `{"ID":"`+uuid.NewString()+`","State":2,"Task":{"ID":"`+id+`","State":1,"Name":"a","Image":"strm/helloworld-http","Env":["KEY=hunter2"]}}`)
	if placed.ID.String() != id || placed.State != task.Pending {
		t.Errorf("accepted as %+v", placed)
	}
	for _, path := range []string{"/tasks", "/tasks/" + id} {
		if _, text := ask(t, "GET", base+path, ""); strings.Contains(text, "hunter2") || !strings.Contains(text, "KEY=***") {
			t.Errorf("GET %s: %s", path, text)
		}
	}
}

// An event whose answer was lost is sent again, as it was: its ID is the key where
// its task has none.
func TestEventSentAgainMeansTheSameTask(t *testing.T) {
	m, base := serve(t)
	event := `{"ID":"6be4cb6b-61d1-40cb-bc7b-9cacefefa60c","State":"running","Task":{"Name":"a","Command":["true"]}}`
	first := submitOne(t, base, event)
	if answer, text := ask(t, "POST", base+"/tasks", event); answer.StatusCode != 200 || !strings.Contains(text, first.ID.String()) {
		t.Errorf("sent again: %s %s", answer.Status, text)
	}
	other := strings.Replace(event, "true", "false", 1)
	if answer, text := ask(t, "POST", base+"/tasks", other); answer.StatusCode != 409 || !strings.Contains(text, string(wire.CodeEventConflict)) {
		t.Errorf("with another body: %s %s", answer.Status, text)
	}
	if page := m.Tasks(manager.Filter{}); page.Len() != 1 {
		t.Errorf("%d tasks; want 1", page.Len())
	}
}

func TestLifeOverHTTP(t *testing.T) {
	m, base := serve(t)
	placed := submitOne(t, base, `{"Command":["true"],"Name":"a"}`)
	_, text := ask(t, "GET", base+"/tasks/"+placed.ID.String(), "")
	if !strings.Contains(text, "there is no node yet") {
		t.Errorf("the pending task is shown as %s", text)
	}
	from := m.Version()
	if answer, text := ask(t, "POST", base+"/nodes", `{"URL":"http://10.0.0.1:5556/","Name":"one","Labels":{"zone":"a"}}`); answer.StatusCode != 201 || answer.Header.Get("Location") != "/nodes/one" {
		t.Fatalf("%s at %q: %s", answer.Status, answer.Header.Get("Location"), text)
	}
	waitFor(t, m, from, placed.ID, task.Running)
	_, text = ask(t, "GET", base+"/tasks/"+placed.ID.String()+"/decision", "")
	var d scheduler.Decision
	if err := json.Unmarshal([]byte(text), &d); err != nil || d.Node != "one" || d.Task != placed.ID {
		t.Errorf("the decision is %s", text)
	}
	answer, text := ask(t, "GET", base+"/tasks/"+placed.ID.String()+"/logs?follow=1&tail=5", "")
	if want := "output of " + placed.ID.String() + "?follow=1&tail=5"; answer.StatusCode != 200 || text != want {
		t.Errorf("%s %q, want %q", answer.Status, text, want)
	}
	if answer, text := ask(t, "GET", base+"/tasks/"+placed.ID.String()+"/logs?tail=13", ""); answer.StatusCode != 502 || !strings.Contains(text, "one") {
		t.Errorf("output of a worker that is away: %s %s", answer.Status, text)
	}
	for range 2 {
		if answer, _ := ask(t, "DELETE", base+"/tasks/"+placed.ID.String(), ""); answer.StatusCode != 204 {
			t.Errorf("stop: %s", answer.Status)
		}
	}
	if answer, text := ask(t, "DELETE", base+"/nodes/one", ""); answer.StatusCode != 409 || !strings.Contains(text, "1 live task") {
		t.Errorf("removal of a node with a live task: %s %s", answer.Status, text)
	}
	if answer, _ := ask(t, "DELETE", base+"/nodes/one?force=1", ""); answer.StatusCode != 204 {
		t.Errorf("removal by force: %s", answer.Status)
	}
}

// waitFor waits until the task is in the state.
func waitFor(t *testing.T, m *manager.Manager, from manager.Version, id uuid.UUID, state task.State) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		placed, err := m.Task(id)
		if err != nil {
			t.Fatal(err)
		}
		if placed.State == state {
			return
		}
		if _, from, _, err = m.Changes(ctx, from, time.Minute); err != nil {
			t.Fatalf("the task stays %s (%s): %v", placed.State, placed.PendingReason, err)
		}
	}
}

func TestListIsFilteredAndComesInPages(t *testing.T) {
	_, base := serve(t)
	var ids []string
	for _, name := range []string{"a", "b", "a", "c", "a"} {
		ids = append(ids, submitOne(t, base, `{"Command":["true"],"Name":"`+name+`"}`).ID.String())
	}
	list := func(target string) (got []string, next string) {
		answer, text := ask(t, "GET", target, "")
		var tasks []wire.PlacedTask
		if err := json.Unmarshal([]byte(text), &tasks); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, placed := range tasks {
			got = append(got, placed.ID.String())
		}
		if link := answer.Header.Get("Link"); link != "" {
			path, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
			next = base + path
		}
		return got, next
	}
	if got, next := list(base + "/tasks"); strings.Join(got, " ") != strings.Join(ids, " ") || next != "" {
		t.Errorf("the whole list is %v, next %q", got, next)
	}
	first, next := list(base + "/tasks?name=a&limit=2&state=pending&state=running")
	if strings.Join(first, " ") != ids[0]+" "+ids[2] || next == "" {
		t.Fatalf("the first page is %v, next %q", first, next)
	}
	if last, next := list(next); strings.Join(last, " ") != ids[4] || next != "" {
		t.Errorf("the last page is %v, next %q", last, next)
	}
	if got, _ := list(base + "/tasks?state=running"); len(got) != 0 {
		t.Errorf("running are %v", got)
	}
	if got, _ := list(base + "/tasks?node=nowhere"); len(got) != 0 {
		t.Errorf("on no node are %v", got)
	}
}

func TestTagSparesAnUnchangedList(t *testing.T) {
	_, base := serve(t)
	submitOne(t, base, `{"Command":["true"]}`)
	settled(t, base)
	for _, path := range []string{"/tasks", "/sd", "/"} {
		answer, _ := ask(t, "GET", base+path, "")
		tag := answer.Header.Get("ETag")
		if again, text := ask(t, "GET", base+path, "", "If-None-Match", tag); tag == "" || again.StatusCode != 304 || text != "" {
			t.Errorf("GET %s again with %s: %s %q", path, tag, again.Status, text)
		}
	}
	answer, _ := ask(t, "GET", base+"/tasks", "")
	submitOne(t, base, `{"Command":["true"]}`)
	if again, _ := ask(t, "GET", base+"/tasks", "", "If-None-Match", answer.Header.Get("ETag")); again.StatusCode != 200 {
		t.Errorf("a changed list with the old tag: %s", again.Status)
	}
}

// settled waits until the pending task has its reason.
func settled(t *testing.T, base string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, text := ask(t, "GET", base+"/tasks", ""); strings.Contains(text, "no node yet") {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the task never got a reason")
		}
	}
}

func TestPrometheusFindsTheFleet(t *testing.T) {
	m, base := serve(t)
	for _, join := range []wire.Join{{URL: "http://10.0.0.1:5556", Name: "one"}, {URL: "https://b.example/cube"}} {
		if _, err := m.Join(t.Context(), join); err != nil {
			t.Fatal(err)
		}
	}
	answer, text := ask(t, "GET", base+"/sd", "")
	want := `[{"targets":["` + strings.TrimPrefix(base, "http://") + `"],"labels":{"job":"cube-manager"}},` +
		`{"targets":["b.example"],"labels":{"__metrics_path__":"/cube/metrics","__scheme__":"https","job":"cube-worker","node":"b.example"}},` +
		`{"targets":["10.0.0.1:5556"],"labels":{"job":"cube-worker","node":"one"}}]` + "\n"
	if text != want || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("GET /sd:\n%s\nwant\n%s", text, want)
	}
}

func TestBackupIsSentWhole(t *testing.T) {
	_, base := serve(t)
	placed := submitOne(t, base, `{"Command":["true"]}`)
	answer, text := ask(t, "POST", base+"/backup", "{}")
	if answer.StatusCode != 200 || !strings.Contains(text, placed.ID.String()) {
		t.Errorf("the backup: %s, %d bytes", answer.Status, len(text))
	}
}

// timed notes the deadlines that an answer is given.
type timed struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (w *timed) SetWriteDeadline(at time.Time) error {
	w.deadlines = append(w.deadlines, at)
	return nil
}

// A client that does not read is cut off, whatever it asked for, and a connection
// is none the worse for it afterwards.
func TestAnswersHaveADeadline(t *testing.T) {
	m, _ := serve(t)
	handler := New(Config{Manager: m})
	for _, path := range []string{"/tasks", "/nodes", "/", "/tasks/" + uuid.NewString() + "/logs"} {
		w := &timed{ResponseRecorder: httptest.NewRecorder()}
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if n := len(w.deadlines); n < 2 || time.Until(w.deadlines[0]) <= 0 || !w.deadlines[n-1].IsZero() {
			t.Errorf("%s: its deadlines were %v; want one, and none left", path, w.deadlines)
		}
	}
}
