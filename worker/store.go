package worker

import (
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// Store keeps the worker's state through a crash. The package worker/bolt has
// the one there is.
type Store interface {
	// Load returns all records there are.
	Load() ([]Record, error)
	// Save writes the records, all or none, and returns once they are on
	// disk. Calls at the same time may share one fsync.
	Save(records ...Record) error
	// Delete removes the records of these tasks, all or none.
	Delete(ids ...uuid.UUID) error
	// Close closes the store; no other method may be called after.
	Close() error
}

// Record is what the worker knows of a task.
type Record struct {
	Task task.Task
	// Wanted is Running, or Completed once a stop was asked for.
	Wanted task.State
	// Events are the IDs of the events that were acted on, each with a
	// digest of its body, so that the same event acts once; the first few of
	// the present allocation and of what came for it since.
	Events map[uuid.UUID]string
	// Fence refuses late starts: a stop was asked for of this allocation and
	// all older ones.
	Fence uint64
	// Unhealthy is why the worker is ending the present run itself; it is
	// written before it does so, and the run counts as failed.
	Unhealthy string
	// Backoff is how long after Task.FinishTime the present run is to start,
	// where it is a restart.
	Backoff time.Duration
	// Tombstone marks a record that only fences off late requests: the stop
	// came before the start, or the ended task is no longer listed.
	Tombstone bool
	Updated   time.Time // worker's clock
}
