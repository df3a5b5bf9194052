package process

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"cube/worker/process/supervise"
)

// Config is what a Runtime is made of. Only Dir has to be set.
type Config struct {
	// Dir is where records and output are kept. It is made where it is not
	// there, for its owner only. One Runtime at a time may have it.
	Dir string
	// CgroupParent is the cgroup that those of the runs are made in: a path
	// from the root of the hierarchy, or one without a leading slash below
	// the cgroup of this process. Empty is DefaultCgroupParent.
	CgroupParent string
	// NoCgroups runs tasks without cgroups, and so without limits.
	NoCgroups bool
	// LogSize is how large, in bytes, a file of output may grow, and LogFiles
	// how many of a run are kept; 0 is DefaultLogSize and DefaultLogFiles.
	LogSize  int64
	LogFiles int
	// Limits are resource limits (rlimits) of every task. Nil is
	// DefaultLimits; what is not in it is as the worker has it.
	Limits []supervise.Limit
	// Starts bounds how many starts are under way at the same time; 0 is 8
	// for each CPU.
	Starts int
	// Log is where the runtime says what no caller is told; nil is nowhere.
	Log *slog.Logger

	// program is what supervises; empty is this program.
	program string
}

// What a Config that says nothing gets.
const (
	DefaultCgroupParent = "cube"
	DefaultLogSize      = 10 << 20
	DefaultLogFiles     = 5
)

// DefaultLimits keeps tasks from writing core dumps unless they ask for them.
func DefaultLimits() []supervise.Limit {
	return []supervise.Limit{{Resource: unix.RLIMIT_CORE, Soft: 0, Hard: unix.RLIM_INFINITY}}
}

// withDefaults checks the configuration and fills in what it leaves open.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("the process runtime needs a directory for its records")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("the directory of the process runtime: %w", err)
	}
	c.Dir = dir
	if c.LogSize < 0 || c.LogFiles < 0 || c.Starts < 0 {
		return c, errors.New("the process runtime: LogSize, LogFiles and Starts may not be negative")
	}
	if c.program == "" {
		c.program = "/proc/self/exe"
	}
	if c.CgroupParent == "" {
		c.CgroupParent = DefaultCgroupParent
	}
	if c.LogSize == 0 {
		c.LogSize = DefaultLogSize
	}
	if c.LogFiles == 0 {
		c.LogFiles = DefaultLogFiles
	}
	if c.Limits == nil {
		c.Limits = DefaultLimits()
	}
	if c.Starts == 0 {
		c.Starts = 8 * runtime.NumCPU()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
