package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
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

// buffers hold one file of a group at a time; the longest, memory.stat, has some
// 3 kB.
var buffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// withText hands a small file's text to use, for as long as use runs. It takes a
// third of the CPU of os.ReadFile, which first asks the poller of the runtime to
// watch the file: a scrape reads three files of every task.
func withText(name string, use func(text []byte) error) error {
	fd, err := openRead(name)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // only read from
	buffer := buffers.Get().(*[16 << 10]byte)
	defer buffers.Put(buffer)
	have := 0
	for have < len(buffer) {
		n, err := unix.Read(fd, buffer[have:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ENODEV) {
			err = fs.ErrNotExist // the group was removed after the file was opened
		}
		if err != nil {
			return &os.PathError{Op: "read", Path: name, Err: err}
		}
		if n == 0 {
			break
		}
		have += n
	}
	if have == len(buffer) {
		return fmt.Errorf("reading %s: larger than %d bytes", name, have)
	}
	if err := use(buffer[:have]); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

func openRead(name string) (fd int, err error) {
	for {
		fd, err = unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// readNumber reads a file that is one unsigned number.
func readNumber(name string) (n uint64, err error) { return readKey(name, "") }

// readKey reads one number of a file of "key value" lines, or the only one there
// is where key is "".
func readKey(name, key string) (n uint64, err error) {
	err = withText(name, func(text []byte) (err error) {
		n, err = parseNumber(text, key)
		return err
	})
	return n, err
}

func parseUint(text []byte) (uint64, error) { return strconv.ParseUint(string(text), 10, 64) }
