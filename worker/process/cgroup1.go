package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// controllers1 are the v1 controllers that a run needs: two to limit, one to
// measure, one to kill.
var controllers1 = [...]cgroup1.Name{cgroup1.Cpu, cgroup1.Cpuacct, cgroup1.Memory, cgroup1.Freezer}

// hierarchy1 is cgroup v1: a tree for each controller, and this process may
// stand elsewhere in each.
type hierarchy1 struct {
	mount   string
	parents map[string]string // controller → path
}

func newHierarchy1(mount, parent string) (*hierarchy1, error) {
	path := cgroup1.StaticPath(parent)
	if !filepath.IsAbs(parent) {
		path = cgroup1.NestedPath(parent)
	}
	h := &hierarchy1{mount: mount, parents: map[string]string{}}
	for _, controller := range controllers1 {
		p, err := path(controller)
		if err != nil {
			return nil, fmt.Errorf("cgroup controller %s: %w", controller, err)
		}
		h.parents[string(controller)] = p
		dir := filepath.Join(mount, string(controller), p)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := probe(dir); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *hierarchy1) parent() string { return h.parents[string(cgroup1.Memory)] }

func (h *hierarchy1) remove() {
	for controller, path := range h.parents {
		// Not empty is the usual case, and nothing to report.
		_ = unix.Rmdir(filepath.Join(h.mount, controller, path))
	}
}

func (h *hierarchy1) group(name string) *group {
	g := &group{Version: 1, Mount: h.mount, Paths: map[string]string{}}
	for controller, parent := range h.parents {
		g.Paths[controller] = filepath.Join(parent, name)
	}
	return g
}

func (g *group) make1(limits *specs.LinuxResources) error {
	if limits.Memory != nil {
		// Only where the kernel counts swap can it be limited; the file is in
		// every group or in none.
		if _, err := os.Stat(filepath.Join(filepath.Dir(g.file1("memory", "")), "memory.memsw.limit_in_bytes")); err != nil {
			limits.Memory.Swap = nil
		}
	}
	_, err := cgroup1.New(g.path1, limits, g.hierarchyOption1())
	return err
}

// path1 is the group's path for the cgroups library.
func (g *group) path1(controller cgroup1.Name) (string, error) {
	if path, there := g.Paths[string(controller)]; there {
		return path, nil
	}
	return "", cgroup1.ErrControllerNotActive
}

// hierarchyOption1 bounds the library to the controllers of runs.
func (g *group) hierarchyOption1() cgroup1.InitOpts {
	return cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) {
		return []cgroup1.Subsystem{
			cgroup1.NewCpu(g.Mount), cgroup1.NewCpuacct(g.Mount),
			cgroup1.NewMemory(g.Mount), cgroup1.NewFreezer(g.Mount),
		}, nil
	})
}

func (g *group) file1(controller, name string) string {
	return filepath.Join(g.Mount, controller, g.Paths[controller], name)
}

// start1 moves the calling thread into the group for as long as the fork
// takes: v1 cannot fork into a group, and a child that is moved afterwards has
// had time to fork itself, outside. The caller's goroutine is locked to its
// thread, which is not the first of the process: that one owns the memory.
func (g *group) start1(cmd *exec.Cmd, own *group) (err error) {
	if own == nil {
		if own, err = ownGroup1(g.Mount); err != nil {
			return err
		}
	}
	defer func() {
		if back := own.enter1(); back != nil {
			err = errors.Join(err, fmt.Errorf("the supervisor cannot leave the run's cgroup: %w", back))
		}
	}()
	if err := g.enter1(); err != nil {
		return fmt.Errorf("the run's cgroup cannot be entered: %w", err)
	}
	return cmd.Start()
}

// ownGroup1 is the group of this process. Finding it takes a millisecond.
func ownGroup1(mount string) (*group, error) {
	path := cgroup1.PidPath(os.Getpid())
	own := &group{Version: 1, Mount: mount, Paths: map[string]string{}}
	for _, controller := range controllers1 {
		p, err := path(controller)
		if err != nil {
			return nil, fmt.Errorf("this process' own cgroup: %w", err)
		}
		own.Paths[string(controller)] = p
	}
	return own, nil
}

// enter1 moves the calling thread into the group. It writes "0", not the
// thread's number: for the thread that writes, and for it alone, the kernel
// need not hold up every fork and exit of the machine, which takes an RCU
// grace period of 10 ms or so (cgroup_procs_write_start, Linux 5.5). That is
// why it is not left to the cgroups library.
func (g *group) enter1() error {
	for _, controller := range controllers1 {
		if err := os.WriteFile(g.file1(string(controller), "tasks"), []byte("0"), 0); err != nil {
			return err
		}
	}
	return nil
}

// kill1 freezes the group, so that nothing in it can fork while its processes
// are listed and killed. It does not wait for the freeze, which a process in
// an uninterruptible sleep can hold up: callers repeat it until nothing is
// left.
func (g *group) kill1() error {
	inside, err := cgroup1.Load(g.path1, g.hierarchyOption1())
	if errors.Is(err, cgroup1.ErrCgroupDeleted) {
		return nil
	}
	if err != nil {
		return err
	}
	state := g.file1("freezer", "freezer.state")
	err = os.WriteFile(state, []byte("FROZEN"), 0)
	listed, listErr := inside.Processes(cgroup1.Freezer, true)
	err = errors.Join(err, listErr)
	for _, p := range listed {
		if p.Pid != os.Getpid() {
			err = errors.Join(err, ignore(unix.Kill(p.Pid, unix.SIGKILL), unix.ESRCH))
		}
	}
	err = errors.Join(err, os.WriteFile(state, []byte("THAWED"), 0))
	return ignore(err, os.ErrNotExist)
}

func (g *group) remove1() error {
	inside, err := cgroup1.Load(g.path1, g.hierarchyOption1())
	if err == nil {
		err = inside.Delete()
	}
	return ignore(err, cgroup1.ErrCgroupDeleted)
}

// ignore is err, unless it is the one to be ignored.
func ignore(err, ignored error) error {
	if errors.Is(err, ignored) {
		return nil
	}
	return err
}
