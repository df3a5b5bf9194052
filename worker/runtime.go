package worker

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// Key names one run of a task on this machine: which task, under which
// allocation, and which restart of it (0 is the first run). No two runs that
// ever were have the same key.
type Key struct {
	Task       uuid.UUID
	Allocation uint64
	Restart    int
}

// String writes the key as it stands in a container's name and in a file's:
// "<task>-<allocation>-<restart>".
func (k Key) String() string { return fmt.Sprintf("%s-%d-%d", k.Task, k.Allocation, k.Restart) }

// Runtime runs tasks. The packages worker/docker and worker/process have the
// two there are. All methods may be called at the same time; those about one
// key are called one after the other, except Wait, Logs and Usage.
//
// A run that a runtime does not know is reported as [ErrUnknownRun].
type Runtime interface {
	// Name is "docker" or "process".
	Name() string
	// Start starts the run and returns once it is running. Started twice
	// with the same key, it runs once and the first run is returned. On an
	// error nothing of the run is left behind.
	Start(ctx context.Context, key Key, t *task.Task) (Run, error)
	// Wait blocks until the run has ended and says how; on a run that has
	// ended already it returns at once. A context that ends first returns
	// its error and leaves the run alone.
	Wait(ctx context.Context, key Key) (Exit, error)
	// Stop asks the run to end (SIGTERM), kills it after grace, and returns
	// once it has ended with all its descendants. A run that has ended or is
	// not known is no error.
	Stop(ctx context.Context, key Key, grace time.Duration) error
	// Remove deletes what is left of an ended run: the container, the
	// output, the records. Not known is no error.
	Remove(ctx context.Context, key Key) error
	// Logs returns the run's output, running or ended; the caller closes it.
	Logs(ctx context.Context, key Key, opts LogOptions) (io.ReadCloser, error)
	// Usage reads what a running run uses now.
	Usage(ctx context.Context, key Key) (Usage, error)
	// List returns every run of this runtime that there is on the machine,
	// running or ended, and not yet removed: what a restarted worker
	// recovers from.
	List(ctx context.Context) ([]Run, error)
	// Close ends the runtime's own goroutines and connections, not the runs.
	Close() error
}

// Run is a run as its runtime knows it.
type Run struct {
	Key       Key
	Handle    string // container ID, or "pid:N"
	StartTime time.Time
	HostPorts map[string][]task.PortBinding
	Exit      *Exit // nil while it runs
}

// Exit is how a run ended.
type Exit struct {
	Code      *int // nil where it is not known; 128+n for a signal n
	OOMKilled bool
	Time      time.Time
	Error     string // what there is to say beyond the code; may be empty
}

// Usage is what a run has used. A figure that could not be read is negative.
type Usage struct {
	CpuSeconds  float64 // since it started
	MemoryBytes float64 // without reclaimable file pages
}

// LogOptions narrows a run's output.
type LogOptions struct {
	Follow bool      // go on until the run ends or the context does
	Tail   int       // the last so many lines; negative: all
	Since  time.Time // zero: from the beginning
	Stdout bool      // neither set means both
	Stderr bool
}

// ErrUnknownRun says that the runtime has no run with the key.
var ErrUnknownRun = fmt.Errorf("the runtime has no such run")
