package scheduler

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// The defaults of a zero Config.
const (
	DefaultStaleAfter    = 15 * time.Second
	DefaultDownAfter     = 60 * time.Second
	DefaultOvercommitCpu = 2
)

// Config is what a State is made with. Zero fields take their defaults.
type Config struct {
	// Policy ranks the nodes that pass the filters; there is no default
	// here: see scheduler/policy.
	Policy Policy
	// StaleAfter is the age from which on a reading is no longer trusted
	// ([DefaultStaleAfter]).
	StaleAfter time.Duration
	// DownAfter is the age of the last reading from which on a node gets
	// nothing ([DefaultDownAfter]).
	DownAfter time.Duration
	// SpreadLimit is how many live tasks of one name a node may have; 0 is
	// no limit. Tasks without a name are not counted.
	SpreadLimit int
	// OvercommitCpu is how many times their allocatable cores nodes may
	// promise that do not say so themselves ([DefaultOvercommitCpu]).
	OvercommitCpu float64
	// Parameters are the constants of what tasks are expected to use
	// ([DefaultParameters]).
	Parameters Parameters
}

func (c *Config) fill() error {
	if c.StaleAfter == 0 {
		c.StaleAfter = DefaultStaleAfter
	}
	if c.DownAfter == 0 {
		c.DownAfter = max(DefaultDownAfter, c.StaleAfter)
	}
	if c.OvercommitCpu == 0 {
		c.OvercommitCpu = DefaultOvercommitCpu
	}
	if c.Parameters == (Parameters{}) {
		c.Parameters = DefaultParameters()
	}
	switch {
	case c.StaleAfter < 0:
		return fmt.Errorf("the age from which on a reading is stale is %v; want more than 0", c.StaleAfter)
	case c.DownAfter < c.StaleAfter:
		return fmt.Errorf("a node would be down after %v, before its reading is stale after %v", c.DownAfter, c.StaleAfter)
	case c.SpreadLimit < 0:
		return errors.New("the spread limit is negative; want 0 or more tasks of one name a node")
	case !(c.OvercommitCpu > 0) || math.IsInf(c.OvercommitCpu, 0):
		return fmt.Errorf("the CPU overcommit is %v; want a number above 0", c.OvercommitCpu)
	}
	if err := c.Parameters.check(); err != nil {
		return err
	}
	return c.Policy.validate()
}
