package task

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// ValidationError says which field of a task is wrong, and why.
type ValidationError struct {
	Field  string
	Reason string
}

// Error names the field and the reason.
func (e *ValidationError) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, reason string) *ValidationError {
	return &ValidationError{Field: field, Reason: reason}
}

// Bounds on what a request may hold, so that a name fits a metric label and a
// container name, and a list fits a page.
const (
	maxName    = 63
	maxEntries = 1024 // entries of Command, Env, ports, Constraints
	maxText    = 32 << 10
)

// namePattern is what Docker allows in a container's name.
var namePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// Validate checks what people may ask for and returns a [*ValidationError]
// that names the first field at fault. It does not look at ID or State.
func (t *Task) Validate() error {
	checks := [...]func() error{
		t.validateName, t.validateResources, t.validateCommand, t.validateEnv,
		t.validateImage, t.validatePorts, t.validatePolicy, t.HealthCheck.validate,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (t *Task) validateName() error {
	switch {
	case t.Name == "":
		return nil
	case len(t.Name) > maxName:
		return invalid("Name", fmt.Sprintf("has %d characters; at most %d fit", len(t.Name), maxName))
	case !namePattern.MatchString(t.Name):
		return invalid("Name", fmt.Sprintf("%q may hold letters, digits, _ . and - only, and starts with a letter or digit", t.Name))
	}
	return nil
}

func (t *Task) validateResources() error {
	switch {
	case math.IsNaN(t.Cpu) || math.IsInf(t.Cpu, 0):
		return invalid("Cpu", "is not a number of cores")
	case t.Cpu < 0:
		return invalid("Cpu", fmt.Sprintf("is negative (%v); want 0 or more cores", t.Cpu))
	case t.Memory < 0:
		return invalid("Memory", fmt.Sprintf("is negative (%d); want 0 or more bytes", int64(t.Memory)))
	case t.Disk < 0:
		return invalid("Disk", fmt.Sprintf("is negative (%d); want 0 or more bytes", int64(t.Disk)))
	}
	return nil
}

func (t *Task) validateCommand() error {
	if t.Image == "" && len(t.Command) == 0 {
		return invalid("Command", "is empty and there is no Image; a task needs one of them")
	}
	if err := validateTexts("Command", t.Command); err != nil {
		return err
	}
	if len(t.Command) > 0 && t.Command[0] == "" {
		return invalid("Command", "starts with an empty word")
	}
	if t.WorkingDir != "" && !path.IsAbs(t.WorkingDir) {
		return invalid("WorkingDir", fmt.Sprintf("%q is not an absolute path", t.WorkingDir))
	}
	return validateTexts("User", []string{t.User, t.WorkingDir})
}

func (t *Task) validateEnv() error {
	for i, entry := range t.Env {
		key, _, found := strings.Cut(entry, "=")
		if !found || key == "" {
			// The entry itself may be a secret: it is not repeated.
			return invalid("Env", fmt.Sprintf("entry %d is not of the form KEY=value", i))
		}
	}
	return validateTexts("Env", t.Env)
}

func (t *Task) validateImage() error {
	if strings.HasPrefix(t.Image, "-") {
		return invalid("Image", fmt.Sprintf("%q is not an image reference", t.Image))
	}
	switch t.ImagePullPolicy {
	case "", "always", "if-not-present", "never":
		return validateTexts("Image", []string{t.Image})
	}
	return invalid("ImagePullPolicy", fmt.Sprintf("%q is not a pull policy: want always, if-not-present or never", t.ImagePullPolicy))
}

func (t *Task) validatePorts() error {
	if len(t.ExposedPorts) > maxEntries || len(t.PortBindings) > maxEntries {
		return invalid("PortBindings", fmt.Sprintf("has more than %d entries", maxEntries))
	}
	for port := range t.ExposedPorts {
		if _, err := ParsePort(port); err != nil {
			return invalid("ExposedPorts", err.Error())
		}
	}
	for port, host := range t.PortBindings {
		if _, err := ParsePort(port); err != nil {
			return invalid("PortBindings", err.Error())
		}
		if host == "" {
			continue
		}
		if _, err := strconv.ParseUint(host, 10, 16); err != nil {
			return invalid("PortBindings", fmt.Sprintf("%q is not a host port: want a number from 0 to 65535", host))
		}
	}
	return nil
}

func (t *Task) validatePolicy() error {
	if _, _, err := t.RestartPolicy.parse(); err != nil {
		return invalid("RestartPolicy", err.Error())
	}
	if t.StopTimeout < 0 {
		return invalid("StopTimeout", "is negative; want 0 or more seconds")
	}
	if len(t.Constraints) > maxEntries {
		return invalid("Constraints", fmt.Sprintf("has more than %d entries", maxEntries))
	}
	for _, text := range t.Constraints {
		if _, err := ParseConstraint(text); err != nil {
			return invalid("Constraints", err.Error())
		}
	}
	return nil
}

// validateTexts bounds a list of words and refuses the NUL character, which
// neither exec nor Docker can pass on.
func validateTexts(field string, texts []string) error {
	if len(texts) > maxEntries {
		return invalid(field, fmt.Sprintf("has %d entries; at most %d fit", len(texts), maxEntries))
	}
	for i, text := range texts {
		switch {
		case len(text) > maxText:
			return invalid(field, fmt.Sprintf("entry %d has %d bytes; at most %d fit", i, len(text), maxText))
		case strings.ContainsRune(text, 0):
			return invalid(field, fmt.Sprintf("entry %d holds a NUL character", i))
		}
	}
	return nil
}
