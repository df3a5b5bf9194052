package cgroup

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"
)

// Group is one control group. It holds names only: each method reads the
// kernel's files anew, and any number of goroutines may call them. A group that
// has been removed answers with errors that wrap [fs.ErrNotExist].
type Group struct {
	// Path is the group's path, that of the memory hierarchy where they
	// differ.
	Path string

	dirs map[string]directory // by controller; [unified] for version 2
}

// directory is the group in one hierarchy.
type directory struct {
	mount string // mount point of the hierarchy
	rel   string // the group below it, beginning with "/"
}

// file names a file of the group.
func (d directory) file(name string) string { return filepath.Join(d.mount, d.rel, name) }

// hierarchy says where a controller of the group is, and whether that is a
// version 1 hierarchy.
func (g *Group) hierarchy(controller string) (d directory, v1 bool, err error) {
	if d, ok := g.dirs[controller]; ok {
		return d, true, nil
	}
	if d, ok := g.dirs[unified]; ok {
		return d, false, nil
	}
	return directory{}, false, fmt.Errorf("cgroup %s has no %s controller: %w", g.Path, controller, fs.ErrNotExist)
}

// CpuSeconds returns the CPU time that the group and its descendants have used
// since it was made: version 1 cpuacct.usage, version 2 usage_usec of cpu.stat.
func (g *Group) CpuSeconds() (float64, error) {
	d, v1, err := g.hierarchy("cpuacct")
	if err != nil {
		return 0, err
	}
	if v1 {
		ns, err := readNumber(d.file("cpuacct.usage"))
		return float64(ns) / 1e9, err
	}
	us, err := readKey(d.file("cpu.stat"), "usage_usec")
	return float64(us) / 1e6, err
}

// Memory is what a group and its descendants hold, in bytes.
type Memory struct {
	UsageBytes uint64
	// InactiveFileBytes is the part that is file pages nobody used lately:
	// the kernel gives them back before it kills.
	InactiveFileBytes uint64
}

// Memory reads the group's use of memory: version 1 memory.usage_in_bytes and
// total_inactive_file of memory.stat, version 2 memory.current and inactive_file.
func (g *Group) Memory() (Memory, error) {
	d, v1, err := g.hierarchy("memory")
	if err != nil {
		return Memory{}, err
	}
	return readMemory(d, v1)
}

// readMemory reads the use of memory of one directory.
func readMemory(d directory, v1 bool) (m Memory, err error) {
	usage, key := "memory.current", "inactive_file"
	if v1 {
		usage, key = "memory.usage_in_bytes", "total_inactive_file"
	}
	if m.UsageBytes, err = readNumber(d.file(usage)); err != nil {
		return Memory{}, err
	}
	if m.InactiveFileBytes, err = readKey(d.file("memory.stat"), key); err != nil {
		return Memory{}, err
	}
	return m, nil
}

// MemoryBytes returns the memory that the group and its descendants hold, without
// the inactive file pages: what `docker stats` and the kubelet call the working
// set.
func (g *Group) MemoryBytes() (float64, error) {
	m, err := g.Memory()
	// The two files are not read at one instant: the difference may be a
	// little below nothing.
	return math.Max(0, float64(m.UsageBytes)-float64(m.InactiveFileBytes)), err
}

// PressurePath names the group's PSI file of "cpu", "memory" or "io". Version 1
// has none: false.
func (g *Group) PressurePath(resource string) (string, bool) {
	if _, v1 := g.dirs["memory"]; v1 {
		return "", false // the unified hierarchy beside it may hold the group or not
	}
	d, ok := g.dirs[unified]
	return d.file(resource + ".pressure"), ok
}

// readNumber reads a file that is one unsigned number.
func readNumber(name string) (uint64, error) {
	text, err := readFile(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", name, err)
	}
	return n, nil
}

// readKey reads one number of a file of "key value" lines.
func readKey(name, key string) (uint64, error) {
	text, err := readFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		value, found := strings.CutPrefix(line, key+" ")
		if !found {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s of %s: %w", key, name, err)
		}
		return n, nil
	}
	return 0, fmt.Errorf("reading %s: no line %q", name, key)
}
