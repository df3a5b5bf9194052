package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// Order is what the worker tells a supervisor to run, through the socket that is
// its standard input. It is never on disk: Env holds secrets. When the order has
// come, what needs no record of the run is prepared; it is carried out when the
// word to go has come after it, which is "true".
type Order struct {
	Key        string
	Command    []string
	Env        []string
	WorkingDir string
	Credential *syscall.Credential `json:",omitempty"` // nil: as the worker
	Limits     []Limit             `json:",omitempty"`
	Cgroup     *Group              `json:",omitempty"`
	LogSize    int64               // bytes a file of output
	LogFiles   int                 // files of output kept
}

// answer is what the supervisor says once the task runs, or cannot.
type answer struct {
	Started Started
	Error   string        `json:",omitempty"`
	Errno   syscall.Errno `json:",omitempty"` // 0 where the error is none of the kernel's
}

// StartError is a failure to start that the supervisor reported.
type StartError struct {
	message string
	errno   syscall.Errno
}

func (e *StartError) Error() string { return e.message }

// Unwrap lets errors.Is see the kernel's error, such as fs.ErrNotExist.
func (e *StartError) Unwrap() error {
	if e.errno == 0 {
		return nil
	}
	return e.errno
}

// ReadAnswer reads the supervisor's answer. One that says nothing has died.
func ReadAnswer(r io.Reader) (Started, error) {
	var a answer
	if err := json.NewDecoder(r).Decode(&a); err != nil {
		return Started{}, fmt.Errorf("the supervisor ended before it had started the task: %w", err)
	}
	if a.Error != "" {
		return Started{}, &StartError{message: a.Error, errno: a.Errno}
	}
	return a.Started, nil
}

// failure is the answer that reports the error.
func failure(err error) answer {
	a := answer{Error: err.Error()}
	errors.As(err, &a.Errno)
	return a
}
