package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrNoCgroups says that no cgroup hierarchy is mounted where it was looked for.
var ErrNoCgroups = errors.New("no cgroup hierarchy is mounted")

// Reader finds groups. It holds where the hierarchies are and nothing that
// changes, so that it may be used from any number of goroutines.
type Reader struct {
	procPath string
	mounts   map[string]mount // by controller; [unified] for version 2
}

// New finds the hierarchies that procPath/self/mountinfo names ("/proc"), with
// their mount points below sysPath ("/sys"). Where there are none the error is
// [ErrNoCgroups].
func New(procPath, sysPath string) (*Reader, error) {
	mounts, err := findMounts(procPath, sysPath)
	if err != nil {
		return nil, err
	}
	if len(mounts) == 0 {
		return nil, fmt.Errorf("%w below %s", ErrNoCgroups, sysPath)
	}
	return &Reader{procPath: procPath, mounts: mounts}, nil
}

// OfPID returns the group that a process is in; 0 is this process. A process
// that is not there is an error that wraps [fs.ErrNotExist].
func (r *Reader) OfPID(pid int) (*Group, error) {
	who := "self"
	if pid != 0 {
		who = strconv.Itoa(pid)
	}
	text, err := readFile(filepath.Join(r.procPath, who, "cgroup"))
	if err != nil {
		return nil, fmt.Errorf("finding the cgroup of process %s: %w", who, err)
	}
	paths, err := parsePaths(string(text))
	if err != nil {
		return nil, fmt.Errorf("finding the cgroup of process %s: %w", who, err)
	}
	g := &Group{dirs: map[string]directory{}}
	for controller, path := range paths {
		m, mounted := r.mounts[controller]
		if !mounted {
			continue
		}
		rel, below := m.relative(path)
		if !below {
			continue
		}
		g.dirs[controller] = directory{mount: m.dir, rel: rel}
		g.Path = path
	}
	if len(g.dirs) == 0 {
		return nil, fmt.Errorf("finding the cgroup of process %s: %w in reach of this process", who, ErrNoCgroups)
	}
	g.Path = mainPath(paths, g.Path)
	return g, nil
}

// mainPath picks the path to show for a group with different ones.
func mainPath(paths map[string]string, fallback string) string {
	for _, c := range []string{"memory", "cpu", unified} {
		if p, ok := paths[c]; ok {
			return p
		}
	}
	return fallback
}

// At returns the group of that path, counted from the top of each hierarchy, in
// all the hierarchies that have it. One that none has is an error that wraps
// [fs.ErrNotExist].
func (r *Reader) At(path string) (*Group, error) {
	path = filepath.Clean("/" + path)
	g := &Group{Path: path, dirs: map[string]directory{}}
	for controller, m := range r.mounts {
		rel, below := m.relative(path)
		if !below {
			continue
		}
		if _, err := os.Stat(filepath.Join(m.dir, rel)); err == nil {
			g.dirs[controller] = directory{mount: m.dir, rel: rel}
		}
	}
	if len(g.dirs) == 0 {
		return nil, fmt.Errorf("no hierarchy has a cgroup %s: %w", path, fs.ErrNotExist)
	}
	return g, nil
}

// relative turns a group's path into one below the mount point. In a container
// the mount may show only a part of the hierarchy, and without a cgroup
// namespace the paths still count from the host's top.
func (m mount) relative(path string) (string, bool) {
	if m.root == "/" {
		return path, !strings.HasPrefix(path, "/..")
	}
	rel, below := strings.CutPrefix(path, m.root)
	if !below || (rel != "" && rel[0] != '/') {
		return "", false
	}
	return "/" + strings.TrimPrefix(rel, "/"), true
}

// parsePaths reads /proc/PID/cgroup: the path by controller. See cgroups(7).
func parsePaths(text string) (map[string]string, error) {
	paths := map[string]string{}
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
			return nil, fmt.Errorf("%q is no line of a cgroup file", line)
		}
		if strings.HasSuffix(fields[2], " (deleted)") {
			return nil, fmt.Errorf("cgroup %s: %w", fields[2], fs.ErrNotExist)
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			paths[controller] = fields[2]
		}
	}
	return paths, nil
}
