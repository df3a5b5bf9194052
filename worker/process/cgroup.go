package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/cgroups/v3"
	"github.com/opencontainers/runtime-spec/specs-go"

	"cube/worker/task"
)

// hierarchy is where the cgroups of runs are made: below one parent.
type hierarchy interface {
	// group names the cgroup of a run; it is not made yet.
	group(name string) *group
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
		return newHierarchy2(mountpoint, parent, []string{"cpu", "memory"})
	case cgroups.Legacy, cgroups.Hybrid:
		return newHierarchy1(mountpoint, parent)
	}
	return nil, errors.New("no cgroups are mounted at " + mountpoint)
}

// mountpoint is where every distribution mounts cgroups, and the one place
// that the cgroups library looks at.
const mountpoint = "/sys/fs/cgroup"

// group is the cgroup of one run. It is written into the run's record, and
// told to the supervisor. It holds nothing open.
type group struct {
	Version int // 1 or 2
	Mount   string
	// Paths are below Mount/<controller> for v1, below Mount for v2, whose
	// only key is "".
	Paths map[string]string
}

// make makes the group, with its limits; on an error it leaves none behind.
func (g *group) make(limits *specs.LinuxResources) error {
	var err error
	switch {
	case g == nil:
		return nil
	case g.Version == 1:
		err = g.make1(limits)
	default:
		err = g.make2(limits)
	}
	if err != nil {
		return fmt.Errorf("the cgroup of the run cannot be made: %w", errors.Join(err, g.remove()))
	}
	return nil
}

// start starts the command inside the group, from its first instruction on. own
// is this process' group, which v1 needs; nil has it looked up.
func (g *group) start(cmd *exec.Cmd, own *group) error {
	switch {
	case g == nil:
		return cmd.Start()
	case g.Version == 1:
		return g.start1(cmd, own)
	}
	return g.start2(cmd)
}

// kill sends SIGKILL to every process in the group and below it.
func (g *group) kill() error {
	switch {
	case g == nil:
		return nil
	case g.Version == 1:
		return g.kill1()
	}
	return g.kill2()
}

// remove deletes the group, which has to be empty; one that is not there is no
// error.
func (g *group) remove() error {
	switch {
	case g == nil:
		return nil
	case g.Version == 1:
		return g.remove1()
	}
	return g.remove2()
}

// oomKilled reports whether the kernel killed a process of the group because
// the group was at its memory limit.
func (g *group) oomKilled() bool {
	var kills float64
	var err error
	switch {
	case g == nil:
		return false
	case g.Version == 1:
		kills, err = readKey(g.file1("memory", "memory.oom_control"), "oom_kill")
	default:
		kills, err = readKey(g.file2("memory.events"), "oom_kill")
	}
	return err == nil && kills > 0
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

// readKey returns the number after the key in a file of "key number" lines.
func readKey(path, key string) (float64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, found := strings.Cut(lines.Text(), " "); found && name == key {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(lines.Err(), fmt.Errorf("%s has no line %s", path, key))
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
