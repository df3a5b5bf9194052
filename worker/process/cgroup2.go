package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cube/worker/process/supervise"
)

// leaf is the cgroup beside the parent of the runs that the worker moves
// itself into: in v2, a cgroup with controllers for its children cannot have
// processes of its own.
const leaf = "cube-worker"

// hierarchy2 is cgroup v2: one tree.
type hierarchy2 struct {
	mount string
	path  string // of the parent
}

// newHierarchy2 makes the parent and enables the controllers for what is below
// it. need are the controllers there have to be.
func newHierarchy2(mount, parent string, need []string) (_ *hierarchy2, err error) {
	own, err := cgroup2.NestedGroupPath("")
	if err != nil {
		return nil, err
	}
	path, top := filepath.Clean(parent), "/"
	if !filepath.IsAbs(parent) {
		top = own
		if filepath.Base(own) == leaf {
			top = filepath.Dir(own)
		}
		path = filepath.Join(top, parent)
	}
	h := &hierarchy2{mount: mount, path: path}
	made, err := missing(mount, path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeDirs(made))
		}
	}()
	if err := os.MkdirAll(filepath.Join(mount, path), 0o755); err != nil {
		return nil, err
	}
	for _, level := range levels(top, path) {
		if err := h.enable(level, own, need); err != nil {
			return nil, err
		}
	}
	return h, probe(filepath.Join(mount, path))
}

// levels are the paths from top down to path, both included.
func levels(top, path string) []string {
	all := []string{path}
	for path != top && path != "/" {
		path = filepath.Dir(path)
		all = append(all, path)
	}
	slices.Reverse(all)
	return all
}

// enable gives the children of a cgroup the controllers, where they do not
// have them yet. Where only this process stands in the way, it moves into a
// leaf of its own.
func (h *hierarchy2) enable(path, own string, need []string) error {
	dir := filepath.Join(h.mount, path)
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	var missing []string
	for _, controller := range need {
		if !slices.Contains(strings.Fields(string(text)), controller) {
			missing = append(missing, "+"+controller)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	write := func() error {
		return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(strings.Join(missing, " ")), 0)
	}
	err = write()
	if errors.Is(err, unix.EBUSY) && path == own {
		if err = h.moveIntoLeaf(path); err == nil {
			err = write()
		}
	}
	if err != nil {
		return fmt.Errorf("the controllers %s cannot be enabled in %s: %w", strings.Join(need, " and "), dir, err)
	}
	return nil
}

// moveIntoLeaf moves this process, if it is the only one there, from the
// cgroup into a child of it.
func (h *hierarchy2) moveIntoLeaf(path string) error {
	here, err := cgroup2.Load(path, cgroup2.WithMountpoint(h.mount))
	if err != nil {
		return err
	}
	pids, err := here.Procs(false)
	if err != nil {
		return err
	}
	if len(pids) != 1 || pids[0] != uint64(os.Getpid()) {
		return fmt.Errorf("there are %d processes in it; only that of the worker would be moved", len(pids))
	}
	if err := os.MkdirAll(filepath.Join(h.mount, path, leaf), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.mount, path, leaf, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
}

func (h *hierarchy2) parent() string { return h.path }

func (h *hierarchy2) remove() {
	// Not empty is the usual case, and nothing to report.
	_ = unix.Rmdir(filepath.Join(h.mount, h.path))
}

func (h *hierarchy2) group(name string) *supervise.Group {
	return &supervise.Group{Version: 2, Mount: h.mount, Paths: map[string]string{"": filepath.Join(h.path, name)}}
}

func make2(g *supervise.Group, limits *specs.LinuxResources) error {
	if err := os.MkdirAll(g.File("", ""), 0o755); err != nil {
		return err
	}
	return limit2(g, limits)
}

// limit2 writes the limits, of the controllers that there are.
func limit2(g *supervise.Group, limits *specs.LinuxResources) error {
	manager, err := cgroup2.Load(g.Paths[""], cgroup2.WithMountpoint(g.Mount))
	if err != nil {
		return err
	}
	resources := cgroup2.ToResources(limits)
	if _, err := os.Stat(g.File("", "cpu.max")); err != nil {
		resources.CPU = nil
	}
	if _, err := os.Stat(g.File("", "memory.max")); err != nil {
		resources.Memory = nil
	}
	if resources.Memory != nil {
		// Only where the kernel counts swap can it be limited.
		if _, err := os.Stat(g.File("", "memory.swap.max")); err != nil {
			resources.Memory.Swap = nil
		}
	}
	return manager.Update(resources)
}
