//go:build linux && !amd64

package faults

import (
	"errors"
	"time"
)

// ClocksStep says whether there are clocks that step on this architecture.
const ClocksStep = false

// Clock is not there: what takes over a process's clock is written for amd64.
type Clock struct{}

// NewClock returns errors.ErrUnsupported.
func NewClock(int) (*Clock, error) { return nil, errors.ErrUnsupported }

// Step returns errors.ErrUnsupported.
func (*Clock) Step(time.Duration) error { return errors.ErrUnsupported }

// Close does nothing.
func (*Clock) Close() error { return nil }
