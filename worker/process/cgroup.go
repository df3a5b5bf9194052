package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/containerd/cgroups/v3"
	"github.com/opencontainers/runtime-spec/specs-go"

	"cube/worker/process/supervise"
	"cube/worker/task"
)

// hierarchy is where the cgroups of runs are made: below one parent.
type hierarchy interface {
	// group names the cgroup of a run; it is not made yet.
	group(name string) *supervise.Group
	// remove deletes the parent, unless there are groups in it.
	remove()
	// parent is the parent's path, of the memory controller on v1.
	parent() string
}

// newHierarchy finds out which cgroups there are and makes the parent: an
// absolute path, or one below the cgroup of this process.
func newHierarchy(parent string) (hierarchy, error) {
	switch cgroups.Mode() {
	case cgroups.Unified:
		return newHierarchy2(supervise.Mountpoint, parent, []string{"cpu", "memory"})
	case cgroups.Legacy, cgroups.Hybrid:
		return newHierarchy1(supervise.Mountpoint, parent)
	}
	return nil, errors.New("no cgroups are mounted at " + supervise.Mountpoint)
}

// makeGroup makes the run's group, with its limits; on an error it leaves none
// behind. A run without a group has nil.
func makeGroup(g *supervise.Group, limits *specs.LinuxResources) error {
	var err error
	switch {
	case g == nil:
		return nil
	case g.Version == 1:
		err = make1(g, limits)
	default:
		err = make2(g, limits)
	}
	if err != nil {
		return fmt.Errorf("the cgroup of the run cannot be made: %w", errors.Join(err, g.Remove()))
	}
	return nil
}

// limitsOf is what the task asked for, in the words of the cgroups library.
//
// Cpu becomes a hard quota over the kernel's default period of 100 ms, and,
// with its default where nothing is asked for, shares as Kubernetes has them
// (1024 a core), so that tasks that compete get CPU in proportion to what they
// asked for. Memory is a hard limit and there is no swap beyond it.
func limitsOf(t *task.Task) *specs.LinuxResources {
	const (
		period    = 100_000 // µs
		leastCPU  = 1_000   // µs, the least quota that the kernel takes
		mostCPU   = 1 << 20 // cores; keeps the quota in the kernel's range
		mostShare = 262_144
	)
	shares := uint64(min(max(t.Promise().Cpu*1024, 2), mostShare))
	limits := &specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: &shares}}
	if t.Cpu > 0 {
		quota, period := int64(max(min(t.Cpu, mostCPU)*period, leastCPU)), uint64(period)
		limits.CPU.Quota, limits.CPU.Period = &quota, &period
	}
	if t.Memory > 0 {
		limit := int64(t.Memory)
		limits.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &limit}
	}
	return limits
}

// probe makes a child of the directory and removes it: the right to make
// cgroups, tried out.
func probe(dir string) error {
	child := filepath.Join(dir, "probe-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(child, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Remove(child)
}
