package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cube/collector/rawread"
)

// Meter reads what one group uses through descriptors that it keeps, which takes
// a fifth of the CPU of opening the files each time: a scrape reads three files
// of every task. A descriptor stays that group's, whoever makes another of its
// name later. A group that has been removed answers with errors that wrap
// [fs.ErrNotExist], a closed meter with [os.ErrClosed]. Any number of goroutines
// may use one.
type Meter struct {
	cpuKey, fileKey string // the lines wanted; cpuKey is "" where the file is one number
	cpuScale        float64

	mu                sync.Mutex // held while a descriptor is in use
	cpu, memory, stat keptFile
	buf               []byte
	last              lastStat
}

// keptFile is an open file of a group.
type keptFile struct {
	name  string
	fd    int
	pread func(fd int, p []byte, offset int64) (int, error)
	err   error // why there is no descriptor
}

// meterBuffer holds memory.stat, which has some 3 kB.
const meterBuffer = 8 << 10

// Meter opens the files of the group. Where one cannot be opened, what is read
// from it fails with that error; where none can, Meter does.
func (g *Group) Meter() (*Meter, error) {
	m := &Meter{buf: make([]byte, meterBuffer)}
	m.cpu.fd, m.memory.fd, m.stat.fd = -1, -1, -1
	d, v1, err := g.hierarchy("cpuacct")
	switch {
	case err != nil:
		m.cpu.err = err
	case v1:
		m.cpuScale = 1e9
		m.cpu.open(d.file("cpuacct.usage"))
	default:
		m.cpuKey, m.cpuScale = "usage_usec", 1e6
		m.cpu.open(d.file("cpu.stat"))
	}
	d, v1, err = g.hierarchy("memory")
	if err != nil {
		m.memory.err = err
	} else {
		usage := "memory.current"
		m.fileKey = "inactive_file"
		if v1 {
			usage, m.fileKey = "memory.usage_in_bytes", "total_inactive_file"
		}
		m.memory.open(d.file(usage))
		m.stat.open(d.file("memory.stat"))
	}
	if m.cpu.fd < 0 && m.memory.fd < 0 {
		m.Close()
		return nil, errors.Join(m.cpu.err, m.memory.err)
	}
	return m, nil
}

func (f *keptFile) open(name string) {
	f.name = name
	if f.fd, f.err = openRead(name); f.err != nil {
		f.fd, f.err = -1, &os.PathError{Op: "open", Path: name, Err: f.err}
		return
	}
	f.pread = unix.Pread
	var system unix.Statfs_t
	if unix.Fstatfs(f.fd, &system) == nil && (system.Type == unix.CGROUP_SUPER_MAGIC || system.Type == unix.CGROUP2_SUPER_MAGIC) {
		f.pread = rawread.Pread // the kernel's own, and no program's that could be kept waiting
	}
}

// MeterReading is what a group has used. A figure that could not be read is
// negative.
type MeterReading struct {
	CpuSeconds  float64 // as [Group.CpuSeconds]
	MemoryBytes float64 // as [Group.MemoryBytes]
}

// Read reads what the group uses now. It is an error where neither figure can be
// read.
func (m *Meter) Read() (MeterReading, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := MeterReading{CpuSeconds: -1, MemoryBytes: -1}
	cpu, errCPU := m.number(&m.cpu, m.cpuKey)
	if errCPU == nil {
		r.CpuSeconds = float64(cpu) / m.cpuScale
	}
	usage, errMemory := m.number(&m.memory, "")
	if errMemory == nil {
		var file uint64
		if file, errMemory = m.inactiveFile(cpu, usage, errCPU == nil); errMemory == nil {
			r.MemoryBytes = math.Max(0, float64(usage)-float64(file))
		}
	}
	if errCPU != nil && errMemory != nil {
		return r, errors.Join(errCPU, errMemory)
	}
	return r, nil
}

// inactiveFile is the part of the usage that is inactive file pages. The kernel
// takes four times as long to write memory.stat as the other two files together.
// So it is read again where the group has run or holds another amount than at
// the last look, and after restat in any case: without either, only reclaim can
// have moved pages from one list to the other.
func (m *Meter) inactiveFile(cpu, usage uint64, cpuKnown bool) (uint64, error) {
	now := time.Now()
	if cpuKnown && cpu == m.last.cpu && usage == m.last.usage && now.Sub(m.last.at) < restat {
		return m.last.file, nil
	}
	file, err := m.number(&m.stat, m.fileKey)
	if err == nil {
		m.last = lastStat{at: now, cpu: cpu, usage: usage, file: file}
	}
	return file, err
}

// restat is how long memory.stat stands of a group that does nothing.
const restat = 10 * time.Second

// lastStat is the last reading of memory.stat, with what it belongs to.
type lastStat struct {
	at               time.Time
	cpu, usage, file uint64
}

// number reads a file's one number or, with a key, that of the key's line. The
// caller holds mu.
func (m *Meter) number(f *keptFile, key string) (uint64, error) {
	if f.err != nil {
		return 0, f.err
	}
	have := 0
	for {
		n, err := f.pread(f.fd, m.buf[have:], int64(have))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ENODEV) {
			err = fs.ErrNotExist // the group was removed
		}
		if err != nil {
			return 0, &os.PathError{Op: "read", Path: f.name, Err: err}
		}
		have += n
		// The kernel writes these files in one go: a whole last line with
		// room after it is the end.
		if n == 0 || have < len(m.buf) && m.buf[have-1] == '\n' {
			break
		}
		if have == len(m.buf) {
			return 0, fmt.Errorf("reading %s: larger than %d bytes", f.name, have)
		}
	}
	n, err := parseNumber(m.buf[:have], key)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", f.name, err)
	}
	return n, nil
}

// parseNumber finds the one number of text, or that of the line of key.
func parseNumber(text []byte, key string) (uint64, error) {
	if key == "" {
		return parseUint(bytes.TrimSpace(text))
	}
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		if found, value, _ := bytes.Cut(line, []byte{' '}); string(found) == key {
			return parseUint(value)
		}
	}
	return 0, fmt.Errorf("it has no line %q", key)
}

// Close gives the descriptors back. Reading is an error from then on.
func (m *Meter) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range []*keptFile{&m.cpu, &m.memory, &m.stat} {
		if f.fd >= 0 {
			_ = unix.Close(f.fd) // only read from
			f.fd = -1
		}
		if f.err == nil {
			f.err = fmt.Errorf("reading %s: %w", f.name, os.ErrClosed)
		}
	}
}
