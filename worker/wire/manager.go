package wire

import (
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// PlacedTask is a task as the manager shows it.
type PlacedTask struct {
	task.Task
	// Node is the name of the node that has the task; empty while pending.
	Node string `json:",omitempty"`
	// StopRequested is set once somebody asked for the task to stop.
	StopRequested bool `json:",omitempty"`
	// PendingReason is why the task is on no node yet, in a sentence.
	PendingReason string    `json:",omitempty"`
	SubmitTime    time.Time `json:",omitzero"` // manager's clock
}

// MaxTasks is how many tasks one POST /tasks of the manager may have.
const MaxTasks = 1000

// Submitted is what became of one of many tasks that were submitted at once.
type Submitted struct {
	// ID is the task's; the nil UUID where one was refused that had none.
	ID uuid.UUID
	// HTTPStatusCode is what the task would have been answered with alone:
	// 201 accepted and on disk, 200 accepted before, else its error's.
	HTTPStatusCode int
	Error          *Error `json:",omitempty"` // why it was refused
}

// Refused is the outcome of a task that was not accepted.
func Refused(id uuid.UUID, err error) Submitted {
	e := AsError(err)
	return Submitted{ID: id, HTTPStatusCode: e.HTTPStatusCode, Error: e}
}

// NodeState is the manager's view of a node.
type NodeState string

// The states of a node. Only a ready node is preferred; see the scheduler for
// what a stale one may still take.
const (
	NodeUnknown  NodeState = "unknown"  // joined, never read
	NodeReady    NodeState = "ready"    // its last reading is fresh
	NodeStale    NodeState = "stale"    // its last reading is old
	NodeDraining NodeState = "draining" // takes no new tasks
	NodeDown     NodeState = "down"     // not read for longer than the node timeout
)

// Join is the body of the manager's POST /nodes.
type Join struct {
	// URL is the worker's base URL, as the manager reaches it.
	URL string
	// Name defaults to the URL's host and port.
	Name   string            `json:",omitempty"`
	Labels map[string]string `json:",omitempty"`
	// Metrics is where the node is measured, if not by the worker itself.
	Metrics *MetricsFrom `json:",omitempty"`
}

// MetricsFrom says where a node's metrics are read. Its tasks still go to its
// worker: an exporter runs none.
type MetricsFrom struct {
	// Source is what the metrics are called there: "cube", the default, or
	// "node_exporter".
	Source string `json:",omitempty"`
	// URL is that of the page, or of its server, whose /metrics is read. It
	// defaults to the worker's, and for node_exporter to port 9100 of the
	// worker's host.
	URL string `json:",omitempty"`
	// DataRoot is the directory that the tasks' data lies in, for a source
	// that lists every mount; "/" by default.
	DataRoot string `json:",omitempty"`
}

// Drain is the body of the manager's POST /nodes/{name}/drain.
type Drain struct {
	// MoveWithin above 0 has the tasks there that have a restart policy moved
	// elsewhere: one by one as long as it lasts, and what is left then all at
	// once. 0 moves none.
	MoveWithin task.Duration `json:",omitempty"`
}

// Node is a node as the manager lists it. A figure that is not known is null.
type Node struct {
	Name   string
	URL    string
	State  NodeState
	Labels map[string]string `json:",omitempty"`
	// Metrics is where it is measured, if not by its worker.
	Metrics *MetricsFrom `json:",omitempty"`
	// LastError is why the last attempt to read it failed; empty when it did not.
	LastError string `json:",omitempty"`
	// ReadingAge is how old the reading is, in seconds.
	ReadingAge *float64
	Tasks      int // live tasks placed there

	CpuUsageRatio   *float64 // measured, 0–1
	CpuCores        *float64
	MemoryTotal     *float64 // bytes
	MemoryAvailable *float64 // bytes, measured
	DiskTotal       *float64 // bytes, of the task data root
	DiskAvailable   *float64 // bytes, measured
	Load1           *float64

	Allocatable *task.Resources // what tasks may ask for in all
	Promised    task.Resources  // what live tasks there asked for
}

// TargetGroup is one entry of Prometheus' HTTP service discovery and of a
// file_sd file.
type TargetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}
