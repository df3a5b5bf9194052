package scheduler

import (
	"math"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// Instant is a point on the caller's monotonic clock, as the time since an
// epoch of the caller's choice. The scheduler reads no clock of its own.
type Instant time.Duration

// Seconds returns the instant in seconds since the epoch.
func (i Instant) Seconds() float64 { return time.Duration(i).Seconds() }

// Absent is the value of a figure that could not be read. Never use zero for
// it: a node without figures must not look idle.
func Absent() float64 { return math.NaN() }

// Known reports whether v is a figure that was read.
func Known(v float64) bool { return !math.IsNaN(v) }

// Reading is what one look at a node's metrics said. A figure that the page did
// not have is [Absent].
type Reading struct {
	Node string
	// Names are what the source calls metrics that a Cube worker has another
	// name for, by that name; for errors and reasons. Readings share it.
	Names map[string]string
	// At is when the page had come in, on the manager's monotonic clock.
	At Instant
	// Clock is the worker's own clock at the reading (cube_time_seconds):
	// Unix seconds.
	Clock float64

	CpuUsage  float64 // busy share of all CPUs, 0–1, over CpuWindow
	CpuWindow float64 // seconds
	CpuCores  float64

	MemoryTotal     float64 // bytes
	MemoryAvailable float64 // bytes
	DiskTotal       float64 // bytes, of the task data root
	DiskAvailable   float64 // bytes, of the task data root
	Load1           float64

	AllocatableCpu    float64 // cores
	AllocatableMemory float64 // bytes
	AllocatableDisk   float64 // bytes
	OvercommitCpu     float64 // CPU requests may total this × AllocatableCpu

	// TasksGeneration moves whenever one of the worker's tasks does.
	TasksGeneration float64
	// Tasks are the running tasks the worker measures.
	Tasks []TaskReading
}

// name is what the reading's source calls a metric of Cube's.
func (r *Reading) name(metric string) string {
	if own, is := r.Names[metric]; is {
		return own
	}
	return metric
}

// TaskReading is what a reading says of one running task.
type TaskReading struct {
	ID          uuid.UUID
	CpuSeconds  float64 // since it started
	MemoryBytes float64
	StartTime   float64 // worker's clock, Unix seconds
}

// Demand is what a task needs of a node.
type Demand struct {
	Task uuid.UUID
	// Name groups tasks of one kind: the spread limit and the predictions
	// learn by it.
	Name string
	// Requests have the documented defaults filled in: see task.Promise.
	Requests    task.Resources
	HostPorts   []uint16 // fixed ports asked for on the host
	Constraints []task.Constraint
	// Excluded are the nodes that refused this allocation already, each with
	// why; they are not asked again.
	Excluded []Refusal
}
