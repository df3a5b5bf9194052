package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"cube/worker"
	"cube/worker/api"
	"cube/worker/task"
	"cube/worker/wire"
	"cube/worker/workertest"
)

// Whatever is posted is answered with a task or an error of the one shape, never
// with a fault of the worker's own, and what is accepted is listed as it is then.
func FuzzPostTasks(f *testing.F) {
	for _, seed := range []string{
		`{"ID":"6be4cb6b-61d1-40cb-bc7b-9cacefefa60c","State":2,"Timestamp":"2021-05-26T12:00:00Z","Task":{"ID":"21b23589-5d2d-4731-b5c9-a97e9832d021","Name":"test-chapter-9","State":1,"Image":"timboring/echo-server:latest","ExposedPorts":{"7777/tcp":{}},"PortBindings":{"7777/tcp":"7777"},"RestartPolicy":"always","HealthCheck":"/health"}}`,
		`{"State":"running","Task":{"Command":["a"],"Memory":"512MiB","Cpu":0.5}}`,
		`{"State":"completed","Task":{"ID":"21b23589-5d2d-4731-b5c9-a97e9832d021","Allocation":3}}`,
		`{"State":"running","Task":{"Command":["a"],"Cpu":1e308,"Memory":9223372036854775807,"Allocation":18446744073709551615}}`,
		`{"State":"running","Task":{"Command":["a"],"HealthCheck":{"TCP":true,"Port":"80"},"ExposedPorts":{"80":{},"80/tcp":{}}}}`,
		`{"State":"running","Task":{"Command":["a\u0000"],"Env":["=x"]}}`,
		`{"State":99}`, `null`, `[]`, `{`, ``, `{}{}`,
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, body string, lenient bool) {
		w, err := worker.New(t.Context(), worker.Config{
			Runtime: workertest.NewRuntime(), Store: workertest.NewStore(),
			Capacity: func() (task.Resources, error) { return task.Resources{Cpu: 8, Memory: 1 << 33, Disk: 1 << 33}, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequest("POST", "/tasks", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		if lenient {
			request.Header.Set("Prefer", wire.Lenient)
		}
		recorder := httptest.NewRecorder()
		api.New(api.Config{Worker: w}).ServeHTTP(recorder, request)
		tasks := w.Tasks(worker.Filter{})
		if recorder.Code == 201 || recorder.Code == 200 { // 200: a stop that came before its start
			var got task.Task
			if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
				t.Fatalf("%q was accepted and answered with %s: %v", body, recorder.Body, err)
			}
			started := recorder.Code == 201
			if started != (len(tasks) == 1) || (started && got.ID != tasks[0].ID) || (!started && got.State != task.Completed) {
				t.Fatalf("%q was accepted, answered with %s and listed as %v", body, recorder.Body, tasks)
			}
			return
		}
		var e wire.Error
		if err := json.Unmarshal(recorder.Body.Bytes(), &e); err != nil || e.HTTPStatusCode != recorder.Code || e.Message == "" || recorder.Code >= 500 {
			t.Fatalf("%q was answered with %d %s", body, recorder.Code, recorder.Body)
		}
		if len(tasks) != 0 {
			t.Fatalf("%q was refused with %s, and is listed: %v", body, recorder.Body, tasks)
		}
	})
}
