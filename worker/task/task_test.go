package task

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// An event as the book's programs write it: Go names, numbers for states, an
// empty string for no health check, zero times.
const bookEvent = `{
	"ID": "6be4cb6b-61d1-40cb-bc7b-9cacefefa60c",
	"State": 2,
	"Timestamp": "2021-05-26T12:00:00Z",
	"Task": {
		"ID": "21b23589-5d2d-4731-b5c9-a97e9832d021",
		"ContainerID": "",
		"Name": "test-chapter-9",
		"State": 1,
		"Image": "timboring/echo-server:latest",
		"Cpu": 0.5,
		"Memory": 67108864,
		"Disk": 0,
		"ExposedPorts": {"7777/tcp": {}},
		"HostPorts": {},
		"PortBindings": {"7777/tcp": "7777"},
		"RestartPolicy": "always",
		"StartTime": "0001-01-01T00:00:00Z",
		"FinishTime": "0001-01-01T00:00:00Z",
		"HealthCheck": "/health",
		"RestartCount": 0
	}
}`

func TestBookEventIsRead(t *testing.T) {
	var event Event
	if err := json.Unmarshal([]byte(bookEvent), &event); err != nil {
		t.Fatal(err)
	}
	want := Event{
		ID: uuid.MustParse("6be4cb6b-61d1-40cb-bc7b-9cacefefa60c"), State: Running,
		Timestamp: time.Date(2021, 5, 26, 12, 0, 0, 0, time.UTC),
		Task: Task{
			ID: uuid.MustParse("21b23589-5d2d-4731-b5c9-a97e9832d021"), Name: "test-chapter-9",
			State: Scheduled, Image: "timboring/echo-server:latest", Cpu: 0.5, Memory: 64 << 20,
			ExposedPorts: map[string]struct{}{"7777/tcp": {}}, HostPorts: map[string][]PortBinding{},
			PortBindings: map[string]string{"7777/tcp": "7777"}, RestartPolicy: "always",
			HealthCheck: &HealthCheck{HTTP: "/health"},
		},
	}
	if diff := cmp.Diff(want, event); diff != "" {
		t.Errorf("the book's event (-want +got):\n%s", diff)
	}
	if err := event.Task.Validate(); err != nil {
		t.Errorf("the book's task is refused: %v", err)
	}
}

func TestTaskSurvivesJSON(t *testing.T) {
	code := 137
	want := Task{
		ID: uuid.New(), Name: "web", State: Failed, Image: "nginx", ImagePullPolicy: "always", Command: []string{"a", "b"},
		Env: []string{"K=v"}, User: "nobody", WorkingDir: "/srv", Cpu: 1.5, Memory: 1 << 30, Disk: 5,
		ExposedPorts: map[string]struct{}{"80/tcp": {}}, PortBindings: map[string]string{"80/tcp": ""},
		HostPorts:   map[string][]PortBinding{"80/tcp": {{HostIp: "0.0.0.0", HostPort: "32768"}}},
		Constraints: []string{"zone==a"}, RestartPolicy: "on-failure:3", StopTimeout: Duration(1500 * time.Millisecond),
		HealthCheck:  &HealthCheck{TCP: true, Port: "80", Interval: Duration(time.Second), Retries: 2},
		RestartCount: 3, ContainerID: "abc", Allocation: 7, StartTime: time.Unix(10, 5).UTC(), FinishTime: time.Unix(20, 0).UTC(),
		ExitCode: &code, OOMKilled: true, Error: "killed",
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Task
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("through JSON (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&want, want.Clone()); diff != "" {
		t.Errorf("Clone (-want +got):\n%s", diff)
	}
}

// Clone must not share: the worker hands copies to whoever asks.
func TestCloneSharesNothing(t *testing.T) {
	code := 1
	original := &Task{
		Command: []string{"a"}, Env: []string{"K=v"}, Constraints: []string{"a==b"}, ExposedPorts: map[string]struct{}{},
		PortBindings: map[string]string{}, HostPorts: map[string][]PortBinding{"80/tcp": {{HostPort: "1"}}},
		HealthCheck: &HealthCheck{Command: []string{"x"}}, ExitCode: &code,
	}
	before, _ := json.Marshal(original)
	c := original.Clone()
	c.Command[0], c.Env[0], c.Constraints[0], c.HealthCheck.Command[0] = "changed", "changed", "changed", "changed"
	c.ExposedPorts["1/tcp"], c.PortBindings["1/tcp"], c.HostPorts["80/tcp"][0].HostPort = struct{}{}, "1", "2"
	*c.ExitCode = 9
	if after, _ := json.Marshal(original); string(after) != string(before) {
		t.Errorf("changing the copy changed the original:\n%s\n%s", before, after)
	}
}

func TestMaskedHidesSecrets(t *testing.T) {
	original := &Task{Env: []string{"PASSWORD=hunter2=x", "EMPTY="}}
	if diff := cmp.Diff([]string{"PASSWORD=***", "EMPTY=***"}, original.Masked().Env); diff != "" {
		t.Errorf("masked (-want +got):\n%s", diff)
	}
	if original.Env[0] != "PASSWORD=hunter2=x" {
		t.Errorf("masking changed the task itself: %q", original.Env[0])
	}
}

func TestValidateNamesTheField(t *testing.T) {
	ok := func() *Task { return &Task{Name: "a", Command: []string{"true"}} }
	if err := ok().Validate(); err != nil {
		t.Fatalf("a plain task is refused: %v", err)
	}
	for _, test := range []struct {
		field  string
		change func(*Task)
	}{
		{"Name", func(t *Task) { t.Name = "../etc" }},
		{"Name", func(t *Task) { t.Name = strings.Repeat("x", 64) }},
		{"Name", func(t *Task) { t.Name = "two\nlines" }},
		{"Cpu", func(t *Task) { t.Cpu = -1 }},
		{"Memory", func(t *Task) { t.Memory = -1 }},
		{"Disk", func(t *Task) { t.Disk = -1 }},
		{"Command", func(t *Task) { t.Command = nil }},
		{"Command", func(t *Task) { t.Command = []string{"a\x00b"} }},
		{"Env", func(t *Task) { t.Env = []string{"novalue"} }},
		{"Env", func(t *Task) { t.Env = []string{"=x"} }},
		{"Image", func(t *Task) { t.Image = "--privileged" }},
		{"ImagePullPolicy", func(t *Task) { t.ImagePullPolicy = "sometimes" }},
		{"WorkingDir", func(t *Task) { t.WorkingDir = "relative" }},
		{"ExposedPorts", func(t *Task) { t.ExposedPorts = map[string]struct{}{"0/tcp": {}} }},
		{"PortBindings", func(t *Task) { t.PortBindings = map[string]string{"80/sctp": ""} }},
		{"PortBindings", func(t *Task) { t.PortBindings = map[string]string{"80/tcp": "70000"} }},
		{"RestartPolicy", func(t *Task) { t.RestartPolicy = "sometimes" }},
		{"RestartPolicy", func(t *Task) { t.RestartPolicy = "always:3" }},
		{"StopTimeout", func(t *Task) { t.StopTimeout = -1 }},
		{"Constraints", func(t *Task) { t.Constraints = []string{"zone=a"} }},
		{"HealthCheck", func(t *Task) { t.HealthCheck = &HealthCheck{HTTP: "/", TCP: true} }},
		{"HealthCheck", func(t *Task) { t.HealthCheck = &HealthCheck{HTTP: "health"} }},
	} {
		bad := ok()
		test.change(bad)
		var invalid *ValidationError
		if err := bad.Validate(); !errors.As(err, &invalid) || invalid.Field != test.field {
			t.Errorf("%+v: got %v; want an error about %s", bad, err, test.field)
		}
	}
}

// A secret in a malformed entry of Env must not be repeated by the error.
func TestEnvErrorHidesSecrets(t *testing.T) {
	err := (&Task{Command: []string{"x"}, Env: []string{"hunter2"}}).Validate()
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestPromiseFillsDefaults(t *testing.T) {
	if got := (&Task{}).Promise(); got != (Resources{Cpu: DefaultCpu, Memory: DefaultMemory}) {
		t.Errorf("no requests: got %+v", got)
	}
	asked := Resources{Cpu: 2, Memory: 3, Disk: 4}
	if got := (&Task{Cpu: 2, Memory: 3, Disk: 4}).Promise(); got != asked {
		t.Errorf("requests: got %+v", got)
	}
}

func TestConstraint(t *testing.T) {
	labels := map[string]string{"zone": "a"}
	for text, want := range map[string]bool{
		"zone==a": true, "zone == a": true, "zone==b": false, "zone!=b": true, "zone!=a": false, "disk==ssd": false, "disk!=ssd": true,
	} {
		c, err := ParseConstraint(text)
		if err != nil || c.Met(labels) != want {
			t.Errorf("%q: got %v, %v; want %v", text, c.Met(labels), err, want)
		}
	}
}
