package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// order is what the worker tells a supervisor to run, through the socket that is
// its standard input. It is never on disk: Env holds secrets. When the order has
// come, what needs no record of the run is prepared; it is carried out when the
// word to go has come after it, which is "true".
type order struct {
	Key        string
	Command    []string
	Env        []string
	WorkingDir string
	Credential *syscall.Credential `json:",omitempty"` // nil: as the worker
	Limits     []Limit             `json:",omitempty"`
	Cgroup     *group              `json:",omitempty"`
	LogSize    int64               // bytes a file of output
	LogFiles   int                 // files of output kept
}

// answer is what the supervisor says once the task runs, or cannot.
type answer struct {
	Started startedRecord
	Error   string        `json:",omitempty"`
	Errno   syscall.Errno `json:",omitempty"` // 0 where the error is none of the kernel's
}

// startError is a failure to start that the supervisor reported.
type startError struct {
	message string
	errno   syscall.Errno
}

func (e *startError) Error() string { return e.message }

// Unwrap lets errors.Is see the kernel's error, such as fs.ErrNotExist.
func (e *startError) Unwrap() error {
	if e.errno == 0 {
		return nil
	}
	return e.errno
}

// errUnheard says that a supervisor ended before it had been told to go, so that
// nothing was started.
var errUnheard = errors.New("the supervisor ended before it was told to start the task")

// readAnswer reads the supervisor's answer. One that says nothing has died.
func readAnswer(r io.Reader) (startedRecord, error) {
	var a answer
	if err := json.NewDecoder(r).Decode(&a); err != nil {
		return startedRecord{}, fmt.Errorf("the supervisor ended before it had started the task: %w", err)
	}
	if a.Error != "" {
		return startedRecord{}, &startError{message: a.Error, errno: a.Errno}
	}
	return a.Started, nil
}

// failure is the answer that reports the error.
func failure(err error) answer {
	a := answer{Error: err.Error()}
	errors.As(err, &a.Errno)
	return a
}
