package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"cube/worker"
	"cube/worker/process/supervise"
)

// Logs returns the output as the task wrote it, both streams in the order in
// which they came. A line that has not ended yet is not there yet. With
// Follow, a read waits for more until the run ends, the context does or the
// reader is closed. Files that rotation has deleted are not there.
func (rt *Runtime) Logs(ctx context.Context, key worker.Key, opts worker.LogOptions) (io.ReadCloser, error) {
	r, err := rt.lookup(key)
	if err != nil {
		return nil, err
	}
	numbers, err := logNumbers(r.dir)
	if err != nil {
		return nil, fmt.Errorf("the output of run %s: %w", key, err)
	}
	l := &logReader{dir: r.dir, opts: opts, ended: r.done, runtime: rt.ctx.Done(), end: func() {}}
	l.ctx, l.cancel = context.WithCancel(ctx)
	if len(numbers) > 0 {
		l.at.number = numbers[0]
		if opts.Tail >= 0 {
			if l.at, err = tailPosition(r.dir, numbers, opts); err != nil {
				l.cancel()
				return nil, fmt.Errorf("the output of run %s: %w", key, err)
			}
		}
	}
	if opts.Follow && !r.ended() {
		if l.changed, l.end, err = rt.changes.follow(r.dir); err != nil {
			l.cancel()
			return nil, err
		}
	}
	return l, nil
}

// logReader reads output. Close may be called while Read is.
type logReader struct {
	mu      sync.Mutex // held by Read, guards file and what follows it
	dir     string
	opts    worker.LogOptions
	ctx     context.Context
	cancel  context.CancelFunc
	ended   <-chan struct{} // the run has ended
	runtime <-chan struct{} // the runtime is closed
	changed <-chan struct{} // nil where it is not followed
	end     func()          // of following
	once    sync.Once

	file *os.File
	at   logPosition // of file; offset only until it is opened
	last bool        // there is a later file: file will not grow
	in   []byte      // read, not parsed: less than a record
	out  []byte      // parsed, not read by the caller
}

// logChunk is how much is read from a file at a time.
const logChunk = 64 << 10

// Read waits where the output is followed.
func (l *logReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for len(l.out) == 0 {
		if err := l.ctx.Err(); err != nil {
			return 0, err
		}
		if err := l.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

// Close ends a read that waits. It does not fail.
func (l *logReader) Close() error {
	l.cancel()
	l.once.Do(l.end)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close() // only read
		l.file = nil
	}
	return nil
}

// fill takes one step: reads on, opens the next file, or waits.
func (l *logReader) fill() error {
	// Before the read: what was written before the run ended is read.
	final := l.changed == nil || closed(l.ended)
	if l.file != nil {
		n, err := l.read()
		if n > 0 || err != nil {
			return err
		}
	}
	next, err := l.next()
	switch {
	case err != nil:
		return err
	case next == 0 && final:
		return io.EOF
	case next == 0:
		return l.wait()
	case l.file != nil && !l.last:
		// Its last records may have been written after the read, before the
		// next file was begun.
		l.last = true
		return nil
	}
	return l.open(next)
}

// read reads on in the file and parses the records that are whole.
func (l *logReader) read() (int, error) {
	l.in = slices.Grow(l.in, logChunk)
	n, err := l.file.Read(l.in[len(l.in) : len(l.in)+logChunk])
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	l.in = l.in[:len(l.in)+n]
	l.out = l.out[:0]
	rest := l.in
	for {
		line, after, found := bytes.Cut(rest, []byte{'\n'})
		if !found {
			break
		}
		rest = after
		if r, ok := parseLogRecord(line); ok && r.wanted(l.opts) {
			l.out = append(l.out, r.text...)
			if r.full {
				l.out = append(l.out, '\n')
			}
		}
	}
	l.in = l.in[:copy(l.in, rest)]
	return n, nil
}

// next is the number of the file to open next, 0 if there is none.
func (l *logReader) next() (int, error) {
	numbers, err := logNumbers(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, io.EOF // the run was removed
	}
	if err != nil {
		return 0, err
	}
	for _, n := range numbers {
		if n > l.at.number || n == l.at.number && l.file == nil {
			return n, nil
		}
	}
	return 0, nil
}

// open goes on to the file with the number.
func (l *logReader) open(number int) error {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
	file, err := os.Open(supervise.LogPath(l.dir, number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile: the next step finds a later one
	}
	if err != nil {
		return err
	}
	if number == l.at.number {
		_, err = file.Seek(l.at.offset, io.SeekStart)
	}
	l.file, l.at, l.last, l.in = file, logPosition{number: number}, false, l.in[:0]
	return err
}

// wait blocks until there may be more.
func (l *logReader) wait() error {
	select {
	case <-l.changed:
		return nil
	case <-l.ended:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	case <-l.runtime:
		return errClosed
	}
}

// closed reports whether the channel is closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
