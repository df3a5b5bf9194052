package process

import (
	"encoding/json"
	"fmt"
	"io"
	"syscall"

	"cube/worker/process/supervise"
)

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

// readAnswer reads the supervisor's answer. One that says nothing has died.
func readAnswer(r io.Reader) (supervise.Started, error) {
	var a supervise.Answer
	if err := json.NewDecoder(r).Decode(&a); err != nil {
		return supervise.Started{}, fmt.Errorf("the supervisor ended before it had started the task: %w", err)
	}
	if a.Error != "" {
		return supervise.Started{}, &startError{message: a.Error, errno: a.Errno}
	}
	return a.Started, nil
}
