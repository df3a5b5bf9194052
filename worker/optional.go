package worker

import (
	"context"
	"errors"

	"cube/worker/task"
)

// ErrUnavailable says that the runtime cannot do anything at present, because
// its engine is not there. A runtime wraps it around what it knows of the cause.
// A task whose start meets it is not failed: it is tried again until the engine
// is back or somebody stops it.
var ErrUnavailable = errors.New("the runtime is not available")

// Checker is what a [Runtime] may also be: one that can tell beforehand that it
// cannot run a task (an image for the process runtime, say). The error is a
// [*task.ValidationError] that names the field.
type Checker interface {
	Check(t *task.Task) error
}

// Execer is what a [Runtime] may also be: one that can run a command inside a
// running task, for health checks. The context bounds the command, which is
// killed when it ends. The code is the command's exit code; an error means that
// it could not be run.
type Execer interface {
	Exec(ctx context.Context, key Key, command []string) (code int, err error)
}

// Meter is what a [Runtime] may also be: one that can read what a run uses from
// the kernel at once, waiting for nobody. Where ok is false, Usage will know.
type Meter interface {
	ReadUsage(key Key) (u Usage, ok bool)
}

// Alerter is what a [Runtime] may also be: one that notices by itself that its
// engine may have gone away, and lets the worker know before a task has to find
// out. The worker then asks for the list of runs, again and again until there is
// one, and is not ready meanwhile.
type Alerter interface {
	Alerts() <-chan struct{}
}
