package docker

import (
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"cube/worker"
)

var (
	// ErrNoEngine says that no engine answers at the address. The error that
	// wraps it is one sentence that names the address.
	ErrNoEngine = errors.New("no Docker engine answers")

	// errClosed is what blocked calls return when the runtime is closed.
	errClosed = errors.New("the Docker runtime was closed")

	// errVanished says that somebody removed the container while it was
	// being started.
	errVanished = errors.New("the container was removed while it was being started")

	// errForeign says that a container of a run's name is another owner's,
	// or was made by hand. It is unknown to this runtime too.
	errForeign = fmt.Errorf("it belongs to another owner: %w", worker.ErrUnknownRun)
)

// engineError says what was being done when the engine returned err. Where the
// engine did not answer at all, or not to the end, it is also
// [worker.ErrUnavailable].
func engineError(doing string, err error) error {
	if away(err) {
		return fmt.Errorf("%s: %w: %w", doing, worker.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// away reports whether err means that the engine is not there at present, in
// contrast to one that has answered with an error. The end of the caller's own
// context is neither.
func away(err error) bool {
	return client.IsErrConnectionFailed(err) || errdefs.IsUnavailable(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, worker.ErrUnavailable)
}
