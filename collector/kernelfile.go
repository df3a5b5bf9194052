package collector

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cube/collector/rawread"
)

// kernelFile reads a file of the kernel anew at each call, into one buffer. A
// file of a real proc file system is opened once and read by a raw pread from then
// on, which takes less than 0.6 times the CPU of open, read and close; any other file (a
// recorded tree, a file that lxcfs put over the kernel's) may be replaced by
// another of its name and is opened each time.
type kernelFile struct {
	path  string
	limit int // bytes; a larger file is an error
	now   func() time.Time

	mu      sync.Mutex // held while the buffer is in use: guards what follows
	fd      int        // kept descriptor; -1 for none
	checked time.Time  // when fd was last known to be the file of that name
	buf     []byte
	closed  bool
}

// recheck is how often a kept descriptor is compared with the file of its name:
// /proc may have been mounted anew, or another file put over this one.
const recheck = 10 * time.Second

// firstBuffer holds all of the hot files but a large machine's stat.
const firstBuffer = 4096

func newKernelFile(path string, limit int, now func() time.Time) *kernelFile {
	return &kernelFile{path: path, limit: limit, now: now, fd: -1}
}

// read returns the file's text, valid until the lock, which the caller holds, is
// given up. It stops early once enough says that what is there will do; short
// tells it that the kernel gave less than there was room for.
func (f *kernelFile) read(enough func(text []byte, short bool) bool) ([]byte, error) {
	if f.closed {
		return nil, fmt.Errorf("reading %s: %w", f.path, os.ErrClosed)
	}
	kept, err := f.open()
	if err != nil {
		return nil, err
	}
	text, err := f.readAll(enough)
	if err != nil && kept {
		// The descriptor has outlived its file: once more with a new one.
		f.drop()
		if _, err = f.open(); err != nil {
			return nil, err
		}
		text, err = f.readAll(enough)
	}
	if f.checked.IsZero() || err != nil {
		f.drop()
	}
	return text, err
}

// open sees to it that fd is the file of that name; kept reports whether it was
// open already. Where fd may be kept, checked is set.
func (f *kernelFile) open() (kept bool, err error) {
	if f.fd >= 0 {
		if f.now().Sub(f.checked).Abs() < recheck || f.sameFile() {
			return true, nil
		}
		f.drop()
	}
	for {
		f.fd, err = unix.Open(f.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.fd = -1
		return false, &os.PathError{Op: "open", Path: f.path, Err: err}
	}
	var system unix.Statfs_t
	if unix.Fstatfs(f.fd, &system) == nil && system.Type == unix.PROC_SUPER_MAGIC {
		f.checked = f.now()
	}
	return false, nil
}

// sameFile compares the descriptor with the file of its name.
func (f *kernelFile) sameFile() bool {
	var open, named unix.Stat_t
	if unix.Fstat(f.fd, &open) != nil || unix.Stat(f.path, &named) != nil || open.Dev != named.Dev || open.Ino != named.Ino {
		return false
	}
	f.checked = f.now()
	return true
}

// unchanged asks the kernel whether the file is what it was when it was last read
// to the end. Of the files there are, only those of mounts have that: poll reports
// an exception once after each change (proc_pid_mounts(5)). The caller holds the
// lock.
func (f *kernelFile) unchanged() bool {
	if f.fd < 0 || f.now().Sub(f.checked).Abs() >= recheck && !f.sameFile() {
		return false
	}
	revents, err := rawread.Poll(f.fd, unix.POLLPRI)
	return err == nil && revents&(unix.POLLPRI|unix.POLLERR) == 0
}

// readAll reads from the beginning. A file that the kernel writes in one go ends
// where a read came back short at the end of a line; reading again for the
// confirmation would make the kernel write it again.
func (f *kernelFile) readAll(enough func(text []byte, short bool) bool) ([]byte, error) {
	if f.buf == nil {
		f.buf = make([]byte, firstBuffer)
	}
	for have := 0; ; {
		n, err := f.pread(f.buf[have:], int64(have))
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: f.path, Err: err}
		}
		have += n
		if n == 0 || enough(f.buf[:have], have < len(f.buf)) {
			return f.buf[:have], nil
		}
		if have < len(f.buf) {
			continue
		}
		if have >= f.limit {
			return nil, fmt.Errorf("reading %s: larger than %d bytes", f.path, f.limit)
		}
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
}

// pread reads once. What is not the kernel's own may be kept waiting: lxcfs is a
// program, a recorded tree may lie anywhere.
func (f *kernelFile) pread(p []byte, offset int64) (n int, err error) {
	if !f.checked.IsZero() {
		return rawread.Pread(f.fd, p, offset)
	}
	for {
		if n, err = unix.Pread(f.fd, p, offset); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// wholeLines is enough for a file that the kernel writes in one go.
func wholeLines(text []byte, short bool) bool { return short && text[len(text)-1] == '\n' }

// never reads to the end.
func never([]byte, bool) bool { return false }

func (f *kernelFile) drop() {
	if f.fd >= 0 {
		_ = unix.Close(f.fd) // only read from
	}
	f.fd, f.checked = -1, time.Time{}
}

// close gives the descriptor back; reading is an error from then on.
func (f *kernelFile) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop()
	f.closed = true
}

// cutLine takes the first line off text; ok is false where none has an end.
func cutLine(text []byte) (line, rest []byte, ok bool) { return bytes.Cut(text, []byte{'\n'}) }

// cutWord takes the first word off a line.
func cutWord(line []byte) (word, rest []byte) {
	line = bytes.TrimLeft(line, " \t")
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, nil
}
