package task

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Task is one thing to run: what is asked for (given by people) and what has
// become of it (given by the worker that has it). The JSON names are the
// book's.
type Task struct {
	ID    uuid.UUID
	Name  string
	State State

	// What to run. Image is for the Docker runtime; a process task has a
	// Command and no Image.
	Image           string   `json:",omitempty"`
	ImagePullPolicy string   `json:",omitempty"` // "always", "if-not-present" (default) or "never"
	Command         []string `json:",omitempty"`
	Env             []string `json:",omitempty"` // "KEY=value"
	User            string   `json:",omitempty"`
	WorkingDir      string   `json:",omitempty"`

	// What it asks for. 0 is no limit, and counts as the documented default
	// in promises: see [Task.Promise].
	Cpu    float64 // cores
	Memory Bytes
	Disk   Bytes // a reservation; not enforced by either runtime

	// Ports inside the task, and where on the host they are asked for
	// ("7777/tcp": "8080"; "" or "0" takes any free one).
	ExposedPorts map[string]struct{} `json:",omitempty"`
	PortBindings map[string]string   `json:",omitempty"`
	// HostPorts is what was given.
	HostPorts map[string][]PortBinding `json:",omitempty"`

	// Constraints on the node's labels: "zone==a", "disk!=hdd".
	Constraints   []string      `json:",omitempty"`
	RestartPolicy RestartPolicy `json:",omitempty"`
	HealthCheck   *HealthCheck  `json:",omitzero"`
	// StopTimeout is the grace between the polite stop and the kill; 0 is
	// DefaultStopTimeout.
	StopTimeout Duration `json:",omitempty"`

	// What has become of it.
	RestartCount int `json:",omitempty"`
	// ContainerID is the container's ID, or "pid:N" for a process.
	ContainerID string `json:",omitempty"`
	// Allocation numbers the placements of a task: each placement has a
	// larger one, and a worker refuses what is older than it has seen.
	Allocation uint64    `json:",omitempty"`
	StartTime  time.Time `json:",omitzero"` // worker's clock
	FinishTime time.Time `json:",omitzero"` // worker's clock
	// ExitCode is nil while the task runs and where the code is not known.
	ExitCode  *int   `json:",omitempty"`
	OOMKilled bool   `json:",omitempty"`
	Error     string `json:",omitempty"` // why it failed or is not running
}

// DefaultStopTimeout is Docker's.
const DefaultStopTimeout = Duration(10 * time.Second)

// Grace is the time between the polite stop and the kill.
func (t *Task) Grace() time.Duration {
	if t.StopTimeout > 0 {
		return time.Duration(t.StopTimeout)
	}
	return time.Duration(DefaultStopTimeout)
}

// Clone returns a copy that shares nothing with t.
func (t *Task) Clone() *Task {
	c := *t
	c.Command = slices.Clone(t.Command)
	c.Env = slices.Clone(t.Env)
	c.Constraints = slices.Clone(t.Constraints)
	c.ExposedPorts = maps.Clone(t.ExposedPorts)
	c.PortBindings = maps.Clone(t.PortBindings)
	c.HostPorts = maps.Clone(t.HostPorts)
	for port, bindings := range c.HostPorts {
		c.HostPorts[port] = slices.Clone(bindings)
	}
	if t.HealthCheck != nil {
		check := *t.HealthCheck
		check.Command = slices.Clone(check.Command)
		c.HealthCheck = &check
	}
	if t.ExitCode != nil {
		code := *t.ExitCode
		c.ExitCode = &code
	}
	return &c
}

// Masked returns a copy for lists and logs, with the values of Env replaced by
// "***": they are where secrets are kept. It shares everything else with t.
func (t *Task) Masked() *Task {
	c := *t
	c.Env = t.MaskedEnv()
	return &c
}

// MaskedEnv is a copy of Env with each value replaced by "***"; nil where there
// is none.
func (t *Task) MaskedEnv() []string {
	masked := slices.Clone(t.Env)
	for i, entry := range masked {
		key, _, _ := strings.Cut(entry, "=")
		masked[i] = key + "=***"
	}
	return masked
}

// Event asks for a task to come into a state: Running to start it, Completed
// to stop it.
type Event struct {
	ID        uuid.UUID
	State     State // the state that is wanted
	Timestamp time.Time
	Task      Task
}

// eventNamespace is what IDs of tasks are derived in from IDs of events: a random
// UUID, the same for ever.
var eventNamespace = uuid.MustParse("c0be0000-5f0e-4d0f-9a43-3b1de9a4f4a1")

// TaskID is the ID of the event's task. A task without one takes it from the
// event's, so that the same event, sent again, means the same task; where there is
// none either, it is the nil UUID.
func (e *Event) TaskID() uuid.UUID {
	if e.Task.ID != uuid.Nil || e.ID == uuid.Nil {
		return e.Task.ID
	}
	return uuid.NewSHA1(eventNamespace, e.ID[:])
}
