package process

import (
	"cube/worker"
	"cube/worker/task"
)

var _ worker.Checker = (*Runtime)(nil)

// Check says beforehand what Start would refuse: an image, no command, a port
// that would have to be mapped, a user that the machine does not have or that
// only root could become. The error is a [*task.ValidationError].
func (rt *Runtime) Check(t *task.Task) error {
	if t.Image != "" {
		return &task.ValidationError{Field: "Image", Reason: "is set; the process runtime runs commands, not images"}
	}
	if len(t.Command) == 0 {
		return &task.ValidationError{Field: "Command", Reason: "is empty; the process runtime runs commands"}
	}
	if _, err := hostPorts(t); err != nil {
		return &task.ValidationError{Field: "PortBindings", Reason: err.Error()}
	}
	if _, err := lookupUser(t.User); err != nil {
		return &task.ValidationError{Field: "User", Reason: err.Error()}
	}
	return nil
}
