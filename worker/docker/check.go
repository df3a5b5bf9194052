package docker

import (
	"fmt"

	"github.com/distribution/reference"

	"cube/worker/task"
)

// minMemory is the least limit that the engine takes, in bytes.
const minMemory = 6 << 20

// Check refuses what no engine could run: a task without a usable image, or
// with less memory than a container can be bounded to. The error is a
// [*task.ValidationError].
func (r *Runtime) Check(t *task.Task) error {
	if t.Image == "" {
		return &task.ValidationError{Field: "Image", Reason: "is empty; the Docker runtime needs one"}
	}
	if _, err := reference.ParseAnyReference(t.Image); err != nil {
		return &task.ValidationError{Field: "Image", Reason: fmt.Sprintf("%q is not an image: %v", t.Image, err)}
	}
	if t.Memory > 0 && t.Memory < minMemory {
		return &task.ValidationError{Field: "Memory", Reason: fmt.Sprintf("is %v; a container needs at least %v", t.Memory, task.Bytes(minMemory))}
	}
	return nil
}
