package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
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
	number := strings.TrimSuffix(strings.TrimPrefix(name, "output."), ".log")
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
	file    *os.File
	number  int
	written int64
	err     error // the first failure; output is dropped from then on until a write succeeds
	dropped int64 // bytes
}

// NewLogWriter writes into the directory, which has none of its files yet.
func NewLogWriter(dir string, size int64, files int) (*LogWriter, error) {
	w := &LogWriter{dir: dir, size: size, files: files}
	return w, w.next()
}

// pipes returns the task's ends of two pipes, and takes what comes out of them
// until they are closed.
func (w *LogWriter) pipes() (stdout, stderr *os.File, err error) {
	for _, stream := range [...]struct {
		name string
		end  **os.File
	}{{"stdout", &stdout}, {"stderr", &stderr}} {
		r, end, err := os.Pipe()
		if err != nil {
			return nil, nil, fmt.Errorf("the task's %s: %w", stream.name, err)
		}
		*stream.end = end
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
		return fmt.Errorf("%d bytes of output were lost: %w", w.dropped, w.err)
	}
	return nil
}

// Copy turns one stream into records until it ends.
func (w *LogWriter) Copy(stream string, r io.Reader) {
	buffer := make([]byte, 0, MaxLine)
	var records bytes.Buffer
	for {
		n, err := r.Read(buffer[len(buffer):MaxLine])
		rest := buffer[:len(buffer)+n]
		prefix := time.Now().UTC().Format(logTime) + " " + stream
		records.Reset()
		for {
			line, after, found := bytes.Cut(rest, []byte{'\n'})
			if !found {
				break
			}
			writeLine(&records, prefix, "F", line)
			rest = after
		}
		if len(rest) == MaxLine || (err != nil && len(rest) > 0) {
			writeLine(&records, prefix, "P", rest)
			rest = nil
		}
		w.write(records.Bytes())
		buffer = buffer[:copy(buffer[:MaxLine], rest)]
		if err != nil {
			return // EOF, or the deadline of Wait
		}
	}
}

func writeLine(to *bytes.Buffer, prefix, tag string, text []byte) {
	to.WriteString(prefix)
	to.WriteByte(' ')
	to.WriteString(tag)
	to.WriteByte(' ')
	to.Write(text)
	to.WriteByte('\n')
}

// write appends whole records. A task is never held up by a full disk: what
// cannot be written is dropped and counted.
func (w *LogWriter) write(records []byte) {
	if len(records) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.written > 0 && w.written+int64(len(records)) > w.size {
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
