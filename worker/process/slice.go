package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/cgroups/v3"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cube/worker/process/supervise"
	"cube/worker/task"
)

// Slice is a cgroup around all tasks of one worker, where several workers share
// a machine: what is measured of it is what that worker's tasks use. It serves
// as CgroupParent of this runtime, and of an engine that is told paths.
type Slice struct {
	path string
	made []string // directories that were not there before, the deepest first
}

// NewSlice makes a cgroup of that name below the one of this process; a name
// with slashes is a path. Memory is bounded by what the limits say. CPU is not:
// slices that compete share it evenly, and one may use what the others leave,
// since v1 refuses a task that may use more CPU than its slice.
func NewSlice(name string, limits task.Resources) (_ *Slice, err error) {
	s := &Slice{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("the cgroup %s cannot be made: %w", name, errors.Join(err, s.Remove()))
		}
	}()
	memory := int64(limits.Memory)
	bounds := &specs.LinuxResources{}
	if memory > 0 {
		bounds.Memory = &specs.LinuxMemory{Limit: &memory}
	}
	if cgroups.Mode() == cgroups.Unified {
		h, err := newHierarchy2(supervise.Mountpoint, name, []string{"cpu", "memory"})
		if err != nil {
			return nil, err
		}
		s.path = h.path
		for dir := name; dir != "."; dir = filepath.Dir(dir) {
			s.made = append(s.made, filepath.Join(supervise.Mountpoint, strings.TrimSuffix(h.path, name), dir))
		}
		return s, limit2(h.group(""), bounds)
	}
	own, err := commonPath1()
	if err != nil {
		return nil, err
	}
	s.path = filepath.Join(own, name)
	if s.made, err = missing(filepath.Join(supervise.Mountpoint, "*"), s.path); err != nil {
		return nil, err
	}
	h, err := newHierarchy1(supervise.Mountpoint, s.path)
	if err != nil {
		return nil, err
	}
	return s, make1(h.group(""), bounds)
}

// Path is the slice's path from the top of the hierarchy, the same in each.
func (s *Slice) Path() string { return s.path }

// Remove deletes the cgroup, which has to be empty, and what was made on the way
// to it, also by an engine. What others have come to use meanwhile stays.
func (s *Slice) Remove() error { return removeDirs(s.made) }

// removeDirs removes the directories, the deepest first. Of those, only one that
// has nothing below it and is in use all the same is an error.
func removeDirs(dirs []string) error {
	var errs []error
	for _, dir := range dirs {
		err := unix.Rmdir(dir)
		if below, globErr := filepath.Glob(filepath.Join(dir, "*", "cgroup.procs")); globErr == nil && len(below) > 0 {
			continue // others use it
		}
		if err = ignore(err, fs.ErrNotExist); err != nil {
			errs = append(errs, fmt.Errorf("the cgroup %s cannot be removed: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

// commonPath1 is a path below this process' cgroup in every hierarchy: the
// deepest of them, if it is below all others.
func commonPath1() (string, error) {
	own, err := supervise.OwnGroup1(supervise.Mountpoint)
	if err != nil {
		return "", err
	}
	deepest := "/"
	var all []string
	for _, p := range own.Paths {
		all = append(all, p)
		if len(p) > len(deepest) {
			deepest = p
		}
	}
	for _, p := range all {
		if rel, err := filepath.Rel(p, deepest); err != nil || !filepath.IsLocal(rel) {
			return "", fmt.Errorf("this process is in cgroups that are not below one another: %s and %s", p, deepest)
		}
	}
	return deepest, nil
}

// missing lists the directories on the way to path that are not there, in each
// hierarchy that the pattern matches, the deepest first.
func missing(pattern, path string) ([]string, error) {
	roots, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, root := range roots {
		for dir := path; dir != "/"; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(root, dir)); !errors.Is(err, fs.ErrNotExist) {
				break
			}
			dirs = append(dirs, filepath.Join(root, dir))
		}
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return len(b) - len(a) })
	return dirs, nil
}
