package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"cube/scheduler/client"
	"cube/worker/task"
	"cube/worker/wire"
)

func TestResolve(t *testing.T) {
	id := func(text string) uuid.UUID { return uuid.MustParse(text + "-0000-4000-8000-000000000000") }
	list := []wire.PlacedTask{
		{Task: task.Task{ID: id("aaaa0001"), Name: "web", State: task.Completed}},
		{Task: task.Task{ID: id("aaaa0002"), Name: "web", State: task.Running}},
		{Task: task.Task{ID: id("bbbb0003"), Name: "job", State: task.Failed}},
		{Task: task.Task{ID: id("bbbb0004"), Name: "job", State: task.Completed}},
		{Task: task.Task{ID: id("cccc0005"), Name: "twin", State: task.Running}},
		{Task: task.Task{ID: id("cccc0006"), Name: "twin", State: task.Pending}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	manager, err := client.New(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"aaaa0001": "aaaa0001", "AAAA0002": "aaaa0002", "aaaa0001-0000-4000-8000-000000000000": "aaaa0001", "cccc0006": "cccc0006",
		"web": "aaaa0002", "job": "bbbb0004",
		"aaaa": "! 2 tasks", "twin": "! 2 tasks", "none": `! no task "none"`, "": "! empty",
	} {
		got, err := resolve(t.Context(), manager, given)
		if says, refused := strings.CutPrefix(want, "! "); refused {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%q: got %v, %v; want an error with %q", given, got, err, says)
			}
			continue
		}
		if err != nil || short(got.ID) != want {
			t.Errorf("%q: got %v, %v; want %s", given, got, err, want)
		}
	}
}
