package supervise

import (
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Output is kept in the log format of the Kubernetes CRI, which log shippers
// read: "<RFC 3339 time> <stdout|stderr> <F|P> <text>\n", a record for each
// line. P marks a record that the next one of the same stream goes on; F the
// last, or only, one of a line.
const (
	logTime = "2006-01-02T15:04:05.000000000Z07:00"
	// MaxLine is where a line is broken into P records. It is the figure of
	// containerd's CRI plugin.
	MaxLine = 16 << 10
)

// LogPath is where a file of output is. They are numbered, the oldest are deleted,
// and none is ever renamed: a reader that is in one finds the next by its number.
func LogPath(dir string, number int) string {
	return join(dir, logName(number))
}

func logName(number int) string { return "output." + strconv.Itoa(number) + ".log" }

// ParseLogNumber is the number in the name of a file of output.
func ParseLogNumber(name string) (int, bool) {
	_, rest, _ := cut(name, '.')
	number, _, _ := cut(rest, '.')
	n, err := strconv.Atoi(number)
	return n, err == nil && n > 0 && name == logName(n)
}

// LogWriter takes a task's output into files of bounded size.
type LogWriter struct {
	dir   string
	size  int64 // bytes a file
	files int   // files kept

	readers []*os.File
	copies  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	file    *os.File   // nil before the first record
	number  int
	written int64
	err     error // the first failure; output is dropped from then on until a write succeeds
	dropped int64 // bytes
}

// NewLogWriter writes into the directory, which has none of its files yet. The
// first is made for the first record, so that no start waits for it.
func NewLogWriter(dir string, size int64, files int) *LogWriter {
	return &LogWriter{dir: dir, size: size, files: files}
}

// pipes returns the task's ends of two pipes, and takes what comes out of them
// until they are closed.
func (w *LogWriter) pipes() (stdout, stderr int, err error) {
	for _, stream := range [...]struct {
		name string
		end  *int
	}{{"stdout", &stdout}, {"stderr", &stderr}} {
		var ends [2]int
		err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC)
		if err == nil {
			// For the poller; the task's end blocks.
			err = syscall.SetNonblock(ends[0], true)
		}
		if err != nil {
			return -1, -1, wrap("the task's "+stream.name, err)
		}
		r := os.NewFile(uintptr(ends[0]), stream.name)
		*stream.end = ends[1]
		w.readers = append(w.readers, r)
		w.copies.Go(func() { w.Copy(stream.name, r) })
	}
	return stdout, stderr, nil
}

// Wait returns once all output is in the files, or after grace where someone
// who is not of the run holds the pipes open. The error says what was lost.
func (w *LogWriter) Wait(grace time.Duration) error {
	for _, r := range w.readers {
		if err := r.SetReadDeadline(time.Now().Add(grace)); err != nil {
			_ = r.Close()
		}
	}
	w.copies.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return wrap(strconv.FormatInt(w.dropped, 10)+" bytes of output were lost", w.err)
	}
	return nil
}

// Copy turns one stream into records until it ends.
func (w *LogWriter) Copy(stream string, r io.Reader) {
	buffer := make([]byte, 0, MaxLine)
	var records, prefix []byte
	for {
		n, err := r.Read(buffer[len(buffer):MaxLine])
		rest := buffer[:len(buffer)+n]
		prefix = append(time.Now().UTC().AppendFormat(prefix[:0], logTime), ' ')
		prefix = append(prefix, stream...)
		records = records[:0]
		for end := 0; end < len(rest); end++ {
			if rest[end] == '\n' {
				records = appendLine(records, prefix, 'F', rest[:end])
				rest, end = rest[end+1:], -1
			}
		}
		if len(rest) == MaxLine || (err != nil && len(rest) > 0) {
			records = appendLine(records, prefix, 'P', rest)
			rest = nil
		}
		w.write(records)
		buffer = buffer[:copy(buffer[:MaxLine], rest)]
		if err != nil {
			return // EOF, or the deadline of Wait
		}
	}
}

func appendLine(to, prefix []byte, tag byte, text []byte) []byte {
	to = append(append(to, prefix...), ' ', tag, ' ')
	return append(append(to, text...), '\n')
}

// write appends whole records. A task is never held up by a full disk: what
// cannot be written is dropped and counted.
func (w *LogWriter) write(records []byte) {
	if len(records) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil || w.written > 0 && w.written+int64(len(records)) > w.size {
		if err := w.next(); err != nil {
			w.lose(len(records), err)
			return
		}
	}
	n, err := w.file.Write(records)
	if err != nil {
		// A record cut in two would be read as one with what follows.
		err = errors.Join(err, w.file.Truncate(w.written))
		w.lose(len(records), err)
		return
	}
	w.written += int64(n)
}

// lose counts output that could not be written. The caller holds the lock.
func (w *LogWriter) lose(n int, err error) {
	w.dropped += int64(n)
	if w.err == nil {
		w.err = err
	}
}

// next begins the next file and deletes the oldest. The caller holds the lock.
func (w *LogWriter) next() error {
	file, err := os.OpenFile(LogPath(w.dir, w.number+1), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if w.file != nil {
		err = w.file.Close()
	}
	w.file, w.number, w.written = file, w.number+1, 0
	if old := w.number - w.files; old > 0 {
		err = errors.Join(err, os.Remove(LogPath(w.dir, old)))
	}
	return err
}
