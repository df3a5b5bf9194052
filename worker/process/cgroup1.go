package process

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cube/worker/process/supervise"
)

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
	for _, controller := range supervise.Controllers1() {
		p, err := path(cgroup1.Name(controller))
		if err != nil {
			return nil, fmt.Errorf("cgroup controller %s: %w", controller, err)
		}
		h.parents[controller] = p
		dir := filepath.Join(mount, controller, p)
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

func (h *hierarchy1) group(name string) *supervise.Group {
	g := &supervise.Group{Version: 1, Mount: h.mount, Paths: map[string]string{}}
	for controller, parent := range h.parents {
		g.Paths[controller] = filepath.Join(parent, name)
	}
	return g
}

func make1(g *supervise.Group, limits *specs.LinuxResources) error {
	if limits.Memory != nil {
		// Only where the kernel counts swap can it be limited; the file is in
		// every group or in none.
		if _, err := os.Stat(filepath.Join(filepath.Dir(g.File("memory", "")), "memory.memsw.limit_in_bytes")); err != nil {
			limits.Memory.Swap = nil
		}
	}
	_, err := cgroup1.New(path1(g), limits, hierarchyOption1(g))
	return err
}

// path1 is the group's path for the cgroups library.
func path1(g *supervise.Group) cgroup1.Path {
	return func(controller cgroup1.Name) (string, error) {
		if path, there := g.Paths[string(controller)]; there {
			return path, nil
		}
		return "", cgroup1.ErrControllerNotActive
	}
}

// hierarchyOption1 bounds the library to the controllers of runs.
func hierarchyOption1(g *supervise.Group) cgroup1.InitOpts {
	return cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) {
		return []cgroup1.Subsystem{
			cgroup1.NewCpu(g.Mount), cgroup1.NewCpuacct(g.Mount),
			cgroup1.NewMemory(g.Mount), cgroup1.NewFreezer(g.Mount),
		}, nil
	})
}
