package task

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// HealthCheck says how a running task is asked whether it is well. Exactly one
// of HTTP, TCP and Command is used. In JSON it may also be the book's string,
// the path of an HTTP check.
type HealthCheck struct {
	// HTTP is the path to GET on Port; a status from 200 to 399 is healthy.
	HTTP string `json:",omitempty"`
	// TCP is healthy when Port accepts a connection.
	TCP bool `json:",omitempty"`
	// Command runs inside the task; exit code 0 is healthy.
	Command []string `json:",omitempty"`
	// Port is the task's own port, "8080/tcp" or "8080". Empty means the
	// only exposed one.
	Port string `json:",omitempty"`

	Interval    Duration `json:",omitempty"` // between two checks; 0 is DefaultInterval
	Timeout     Duration `json:",omitempty"` // of one check; 0 is DefaultTimeout
	Retries     int      `json:",omitempty"` // failures in a row that make it unhealthy; 0 is DefaultRetries
	StartPeriod Duration `json:",omitempty"` // failures this soon after the start do not count
}

// What a check uses where it says nothing: the figures of Docker's HEALTHCHECK,
// with a shorter interval.
const (
	DefaultInterval = 10 * time.Second
	DefaultTimeout  = 5 * time.Second
	DefaultRetries  = 3
)

// UnmarshalJSON reads the object, or the book's string: a path.
func (h *HealthCheck) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var path string
		if err := json.Unmarshal(data, &path); err != nil {
			return err
		}
		*h = HealthCheck{HTTP: path}
		return nil
	}
	// Strict here too: a custom unmarshaller would otherwise shelter
	// unknown fields from the outer decoder's DisallowUnknownFields.
	type plain HealthCheck
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode((*plain)(h))
}

// IsZero reports whether there is no check. A book task writes "" for none.
func (h *HealthCheck) IsZero() bool {
	return h == nil || (h.HTTP == "" && !h.TCP && len(h.Command) == 0)
}

// validate names the field at fault.
func (h *HealthCheck) validate() error {
	if h.IsZero() {
		return nil
	}
	kinds := 0
	if h.HTTP != "" {
		kinds++
	}
	if h.TCP {
		kinds++
	}
	if len(h.Command) > 0 {
		kinds++
	}
	switch {
	case kinds > 1:
		return invalid("HealthCheck", "more than one of HTTP, TCP and Command is set; want one")
	case h.HTTP != "" && h.HTTP[0] != '/':
		return invalid("HealthCheck", fmt.Sprintf("the path %q does not start with /", h.HTTP))
	case h.Interval < 0 || h.Timeout < 0 || h.StartPeriod < 0 || h.Retries < 0:
		return invalid("HealthCheck", "a negative Interval, Timeout, StartPeriod or Retries")
	}
	if h.Port != "" {
		if _, err := ParsePort(h.Port); err != nil {
			return invalid("HealthCheck", err.Error())
		}
	}
	return nil
}
