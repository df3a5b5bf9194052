package api

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// event is one server-sent event.
type event struct{ name, id, data string }

// events opens the stream of changes after a position.
func events(t *testing.T, base, after string) (next func() event) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", base+"/tasks", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if after != "" {
		request.Header.Set("Last-Event-ID", after)
	}
	answer, err := new(http.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = answer.Body.Close() })
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("the stream: %s, %s", answer.Status, kind)
	}
	lines := bufio.NewScanner(answer.Body)
	return func() event {
		t.Helper()
		var e event
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				if e.name != "" {
					return e
				}
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return e
	}
}

func TestChangesAreStreamedAndTakenUpAgain(t *testing.T) {
	_, base := serve(t)
	answer, _ := ask(t, "GET", base+"/tasks", "")
	next := events(t, base, answer.Header.Get("ETag"))
	first := submitOne(t, base, `{"Command":["true"],"Env":["KEY=hunter2"]}`)
	got := next()
	if got.name != "task" || !strings.Contains(got.data, first.ID.String()) || strings.Contains(got.data, "hunter2") {
		t.Fatalf("the event is %+v", got)
	}
	for got.id == "" {
		got = next()
	}
	second := submitOne(t, base, `{"Command":["true"]}`)
	// Whoever comes back with the last ID it saw misses nothing.
	again := events(t, base, got.id)
	for {
		e := again()
		if strings.Contains(e.data, second.ID.String()) {
			break
		}
		if !strings.Contains(e.data, first.ID.String()) {
			t.Fatalf("the event is %+v", e)
		}
	}
}

func TestStreamFromAnotherLifeIsReset(t *testing.T) {
	_, base := serve(t)
	submitOne(t, base, `{"Command":["true"]}`)
	if e := events(t, base, "abc-1")(); e.name != "reset" || e.id == "" {
		t.Errorf("the event is %+v", e)
	}
	answer, text := ask(t, "GET", base+"/tasks", "", "Accept", "text/event-stream", "Last-Event-ID", uuid.NewString())
	if answer.StatusCode != 400 {
		t.Errorf("%s %s", answer.Status, text)
	}
}
