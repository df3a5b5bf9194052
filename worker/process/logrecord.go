package process

import (
	"bytes"
	"os"
	"slices"
	"time"

	"cube/worker"
	"cube/worker/process/supervise"
)

// logRecord is one record of a file of output.
type logRecord struct {
	stream []byte // "stdout" or "stderr"
	full   bool   // the line ends with it
	text   []byte
	time   []byte // RFC 3339
}

// parseLogRecord reads a record, without its newline.
func parseLogRecord(line []byte) (logRecord, bool) {
	var r logRecord
	at, rest, found := bytes.Cut(line, []byte{' '})
	if !found {
		return r, false
	}
	stream, rest, found := bytes.Cut(rest, []byte{' '})
	if !found || len(rest) < 2 || rest[1] != ' ' || (rest[0] != 'F' && rest[0] != 'P') {
		return r, false
	}
	if string(stream) != "stdout" && string(stream) != "stderr" {
		return r, false
	}
	return logRecord{time: at, stream: stream, full: rest[0] == 'F', text: rest[2:]}, true
}

// wanted reports whether the options ask for the record.
func (r logRecord) wanted(opts worker.LogOptions) bool {
	if opts.Stdout != opts.Stderr {
		want := "stdout"
		if opts.Stderr {
			want = "stderr"
		}
		if string(r.stream) != want {
			return false
		}
	}
	if opts.Since.IsZero() {
		return true
	}
	at, err := time.Parse(time.RFC3339Nano, string(r.time))
	return err == nil && !at.Before(opts.Since)
}

// logNumbers are the numbers of the files of output in the directory,
// ascending.
func logNumbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		if n, is := supervise.ParseLogNumber(entry.Name()); is {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// logPosition is a place in the output.
type logPosition struct {
	number int
	offset int64
}

// tailPosition finds where the last so many wanted lines begin. It looks at
// the newest file first, and at older ones only while lines are missing.
func tailPosition(dir string, numbers []int, opts worker.LogOptions) (logPosition, error) {
	missing := opts.Tail
	at := logPosition{number: numbers[len(numbers)-1]}
	for i := len(numbers) - 1; i >= 0; i-- {
		data, err := os.ReadFile(supervise.LogPath(dir, numbers[i]))
		if os.IsNotExist(err) {
			break // deleted meanwhile, and so are the older ones
		}
		if err != nil {
			return at, err
		}
		starts := lineStarts(data, opts)
		at.number = numbers[i]
		if len(starts) >= missing {
			at.offset = int64(len(data))
			if missing > 0 {
				at.offset = starts[len(starts)-missing]
			}
			return at, nil
		}
		at.offset = 0
		missing -= len(starts)
	}
	return at, nil
}

// lineStarts are the offsets of the records that begin a wanted line.
func lineStarts(data []byte, opts worker.LogOptions) []int64 {
	var starts []int64
	inside := map[string]bool{} // streams with a line that goes on
	for offset := 0; ; {
		line, _, found := bytes.Cut(data[offset:], []byte{'\n'})
		if !found {
			return starts
		}
		if r, ok := parseLogRecord(line); ok && r.wanted(opts) {
			if !inside[string(r.stream)] {
				starts = append(starts, int64(offset))
			}
			inside[string(r.stream)] = !r.full
		}
		offset += len(line) + 1
	}
}
