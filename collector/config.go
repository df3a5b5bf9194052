package collector

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what to measure and where. The zero value measures this machine.
type Config struct {
	// ProcPath, SysPath and RootPath are where the host's /proc, /sys and /
	// are seen; empty is "/proc", "/sys" and "/". In a container they are
	// where the host's are mounted.
	ProcPath, SysPath, RootPath string
	// DataRoot is the directory that tasks' data is kept in; the file system
	// that holds it is always measured, whatever the filters say. It is a
	// path as this process sees it. Empty is RootPath.
	DataRoot string

	// Window is how long ago the reading should be that CPU usage is
	// reckoned from; 0 is DefaultWindow.
	Window time.Duration
	// MinWindow is the shortest interval that CPU usage is reckoned over; 0
	// is DefaultMinWindow.
	MinWindow time.Duration
	// CPU narrows cube_cpu_cores and Capacity to so many cores; 0 does not.
	CPU float64

	// Scope says whose CPU and memory the figures are, and Cgroup is the path
	// of the cgroup that is meant: that of the tasks' parent, counted from the
	// top of the hierarchies. Empty is the one that this process is in.
	Scope  Scope
	Cgroup string
	// Share, where not nil, takes the place of the scope.
	Share *Share

	// MountPointsInclude and FSTypesInclude, where not nil, leave out what they
	// do not match.
	MountPointsInclude, FSTypesInclude *regexp.Regexp
	// MountPointsExclude and FSTypesExclude leave file systems out; nil is
	// DefaultMountPointsExclude and DefaultFSTypesExclude.
	MountPointsExclude, FSTypesExclude *regexp.Regexp
	// ReadOnly measures file systems that are mounted read-only, too.
	ReadOnly bool
	// StatfsTimeout bounds the wait for all file systems together; 0 is
	// DefaultStatfsTimeout.
	StatfsTimeout time.Duration
	// Statfs asks a file system; nil asks the kernel.
	Statfs func(path string, buf *unix.Statfs_t) error

	// Now is time.Now where nil.
	Now func() time.Time
	// Log takes what has to be said once, such as a kernel without pressure
	// information; nil discards it.
	Log *slog.Logger
}

// What a Config uses where it says nothing.
const (
	DefaultWindow        = 15 * time.Second
	DefaultMinWindow     = time.Second
	DefaultStatfsTimeout = time.Second

	// The defaults of node_exporter's filesystem collector, and what lies in
	// memory: a task's data is not kept there.
	DefaultMountPointsExclude = `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
	DefaultFSTypesExclude     = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|ramfs|squashfs|erofs|sysfs|tmpfs|tracefs|fuse\.lxcfs)$`
)

func (c Config) withDefaults() (Config, error) {
	orDefault(&c.ProcPath, "/proc")
	orDefault(&c.SysPath, "/sys")
	orDefault(&c.RootPath, "/")
	orDefault(&c.DataRoot, c.RootPath)
	orDefault(&c.Window, DefaultWindow)
	orDefault(&c.MinWindow, DefaultMinWindow)
	orDefault(&c.StatfsTimeout, DefaultStatfsTimeout)
	if c.MountPointsExclude == nil {
		c.MountPointsExclude = regexp.MustCompile(DefaultMountPointsExclude)
	}
	if c.FSTypesExclude == nil {
		c.FSTypesExclude = regexp.MustCompile(DefaultFSTypesExclude)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	dataRoot, err := filepath.Abs(c.DataRoot)
	if err != nil {
		return c, fmt.Errorf("the data root %s: %w", c.DataRoot, err)
	}
	c.DataRoot = dataRoot
	switch {
	case c.MinWindow < 0 || c.Window < c.MinWindow:
		return c, fmt.Errorf("a CPU window of %s with a least one of %s: want the window to be the longer", c.Window, c.MinWindow)
	case c.Scope < ScopeAuto || c.Scope > ScopeCgroup:
		return c, fmt.Errorf("%s is no scope: want auto, host or cgroup", c.Scope)
	case c.StatfsTimeout < 0:
		return c, errors.New("the time for file systems is negative")
	case !(c.CPU >= 0):
		return c, fmt.Errorf("a capacity of %v cores: want 0 or more", c.CPU)
	}
	return c, nil
}

func orDefault[T comparable](v *T, other T) {
	var zero T
	if *v == zero {
		*v = other
	}
}
