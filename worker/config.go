package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"cube/worker/task"
)

// Config is what a worker is made of. Runtime, Store and Capacity are needed;
// the rest has defaults.
type Config struct {
	Runtime Runtime
	Store   Store
	// Capacity tells what the machine has: cores, memory in all, and the
	// size of the file system that tasks write to. It is asked anew for every
	// admission and every scrape. Calls at the same time are allowed.
	Capacity func() (task.Resources, error)
	// Free tells what is left, in bytes, of the file system that the worker's own
	// state and the files of its runs are on; nil leaves it unasked. It is asked
	// anew for every admission. Calls at the same time are allowed.
	Free func() (task.Bytes, error)
	// CapacityOverride replaces each figure of Capacity where it is not 0.
	CapacityOverride task.Resources
	// Reserve is kept back from tasks, for the system and the worker itself.
	Reserve task.Resources
	// OvercommitCpu is how many times the allocatable cores the CPU requests
	// may total; 0 is DefaultOvercommitCpu. Memory and disk are never
	// overcommitted.
	OvercommitCpu float64
	// MaxStarts bounds how many starts are under way at once, so that a
	// burst does not choke the machine; 0 is twice the CPUs, at least 8.
	MaxStarts int
	// KeepFinished and MaxFinished say how long, and how many, finished tasks
	// are listed with their output; 0 is 24 h and 1,000.
	KeepFinished time.Duration
	MaxFinished  int
	// KeepTombstones and MaxTombstones say the same of what fences off late
	// requests about tasks that are no longer listed; 0 is 7 days and 10,000.
	KeepTombstones time.Duration
	MaxTombstones  int
	// Log is where the worker says what it does; nil discards it.
	Log *slog.Logger
}

// DefaultOvercommitCpu is used where Config says nothing: CPU is a preference
// within a bound, since an idle request takes no CPU time from anybody.
const DefaultOvercommitCpu = 2.0

// withDefaults returns the configuration with its defaults filled in, or says
// what cannot be.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Runtime == nil:
		return c, errors.New("the worker has no runtime")
	case c.Store == nil:
		return c, errors.New("the worker has no store")
	case c.Capacity == nil:
		return c, errors.New("the worker has no source of its machine's capacity")
	case !(c.OvercommitCpu >= 0): // NaN too
		return c, fmt.Errorf("the CPU overcommit is %v; want a factor above 0", c.OvercommitCpu)
	case negative(c.Reserve):
		return c, fmt.Errorf("the reserve has a negative part: %+v", c.Reserve)
	case negative(c.CapacityOverride):
		return c, fmt.Errorf("the capacity has a negative part: %+v", c.CapacityOverride)
	}
	orDefault(&c.OvercommitCpu, DefaultOvercommitCpu)
	orDefault(&c.MaxStarts, max(8, 2*runtime.GOMAXPROCS(0)))
	orDefault(&c.KeepFinished, 24*time.Hour)
	orDefault(&c.MaxFinished, 1000)
	orDefault(&c.KeepTombstones, 7*24*time.Hour)
	orDefault(&c.MaxTombstones, 10_000)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func negative(r task.Resources) bool { return r.Cpu < 0 || r.Memory < 0 || r.Disk < 0 }

func orDefault[T comparable](v *T, other T) {
	var zero T
	if *v == zero {
		*v = other
	}
}
