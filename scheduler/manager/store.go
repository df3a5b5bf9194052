package manager

import (
	"encoding"
	"io"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/worker/task"
	"cube/worker/wire"
)

// Store keeps the manager's state through a crash. The package scheduler/bolt
// has the one there is. Methods may be called at the same time.
type Store interface {
	// Load returns all tasks and nodes there are, tasks in the order of Seq.
	Load() (Snapshot, error)
	// Save writes the changes, all or none, and returns once they are on
	// disk.
	Save(Changes) error
	// Decision returns the last decision saved for the task with this Seq;
	// false where there is none.
	Decision(seq uint64) (scheduler.Decision, bool, error)
	// Backup writes a consistent copy of the whole store while it is in use
	// and returns how many bytes that were.
	Backup(io.Writer) (int64, error)
	// Close closes the store; no other method may be called after.
	Close() error
}

// Record is all that is kept of a task. A record in memory is never changed:
// a new one takes its place.
type Record struct {
	Task task.Task
	// Seq numbers the tasks in the order in which they were accepted.
	Seq           uint64
	Node          string `json:",omitempty"` // the node of Task.Allocation; empty while pending
	StopRequested bool   `json:",omitempty"`
	// Moving is set while the task is stopped to be placed elsewhere.
	Moving     bool      `json:",omitempty"`
	SubmitTime time.Time // manager's clock
	// PlaceTime is when Task.Allocation was made: the timestamp of the event
	// that hands it to the worker, so that a repeated one is the same.
	PlaceTime time.Time `json:",omitzero"`
	// EndTime is when this manager learnt that the task has ended, by its own
	// clock: the task's FinishTime is by its worker's.
	EndTime time.Time `json:",omitzero"`
}

// NodeRecord is all that is kept of a node.
type NodeRecord struct {
	Name     string
	URL      string
	Labels   map[string]string `json:",omitempty"`
	Metrics  wire.MetricsFrom  `json:",omitzero"`
	Draining bool              `json:",omitempty"`
	// MoveBy is until when its tasks are moved one by one; zero moves none.
	MoveBy time.Time `json:",omitzero"`
	Origin Origin    `json:",omitempty"`
	// Removed in a change deletes the node.
	Removed bool `json:"-"`
}

// Origin is where a node came from: a file or a flag is the whole truth about
// the nodes of its kind, a join stays until the node is removed.
type Origin string

// The origins there are.
const (
	OriginJoin Origin = ""
	OriginFlag Origin = "flag"
	OriginFile Origin = "file"
)

// Changes is what one transaction writes.
type Changes struct {
	Tasks     []*Record
	Decisions []SeqDecision
	// Forgotten are the tasks to delete, by Seq, with their decisions.
	Forgotten []uint64
	Nodes     []NodeRecord // in order; of two with one name the later holds
}

// SeqDecision is a decision with the Seq of its task.
type SeqDecision struct {
	Seq uint64
	// Decision gives the compact form: a [scheduler.Outcome], or a written out
	// [*scheduler.Decision].
	Decision encoding.BinaryMarshaler
}

// Snapshot is what a store holds.
type Snapshot struct {
	Tasks []*Record
	Nodes []NodeRecord
}

// placed is the task as the manager shows it: secrets masked. What else it
// points to is the record's.
func (r *Record) placed(pendingReason string) wire.PlacedTask {
	shown := wire.PlacedTask{
		Task:          r.Task,
		Node:          r.Node,
		StopRequested: r.StopRequested,
		PendingReason: pendingReason,
		SubmitTime:    r.SubmitTime,
	}
	shown.Env = r.Task.MaskedEnv()
	return shown
}

// live reports whether the task holds a promise on its node.
func (r *Record) live() bool { return r.Node != "" && !r.Task.State.Ended() }

// with returns a copy of the record that can be changed at its top level.
func (r *Record) with(change func(*Record)) *Record {
	next := *r
	change(&next)
	return &next
}

// spaceID is the name space of the events that hand allocations to workers.
var spaceID = uuid.NewSHA1(uuid.NameSpaceURL, []byte("cube:allocation"))

// event is what hands the record's allocation to its worker. It is the same,
// byte for byte, however often it is sent.
func (r *Record) event() task.Event {
	t := asked(&r.Task)
	t.State, t.Allocation = task.Scheduled, r.Task.Allocation
	name := make([]byte, 0, 24)
	name = append(name, t.ID[:]...)
	for shift := 56; shift >= 0; shift -= 8 {
		name = append(name, byte(t.Allocation>>shift))
	}
	return task.Event{
		ID:        uuid.NewSHA1(spaceID, name),
		State:     task.Running,
		Timestamp: r.PlaceTime,
		Task:      t,
	}
}

// asked returns what people ask for of a task, without what has become of it.
// Slices and maps are shared.
func asked(t *task.Task) task.Task {
	return task.Task{
		ID: t.ID, Name: t.Name,
		Image: t.Image, ImagePullPolicy: t.ImagePullPolicy, Command: t.Command,
		Env: t.Env, User: t.User, WorkingDir: t.WorkingDir,
		Cpu: t.Cpu, Memory: t.Memory, Disk: t.Disk,
		ExposedPorts: t.ExposedPorts, PortBindings: t.PortBindings,
		Constraints: t.Constraints, RestartPolicy: t.RestartPolicy,
		HealthCheck: t.HealthCheck, StopTimeout: t.StopTimeout,
	}
}
