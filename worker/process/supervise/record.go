package supervise

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The files of a run's directory.
const (
	RunFile     = "run.json" // the worker's
	StartedFile = "started.json"
	ExitFile    = "exit.json"
	LogFile     = "supervisor.log"
)

// newSuffix is added to the name of a record that is being written.
const newSuffix = ".new"

// ErrVersion says that a record is of a version that this program does not
// know.
var ErrVersion = errors.New("it is of another version of this program")

// RecordVersion is written into every record; a record of a later version is
// refused and left as it is.
const RecordVersion = 1

// maxRecord bounds what is read as a record.
const maxRecord = 1 << 20

// Record is one of the files.
type Record interface{ Check() error }

// Started is started.json, and the supervisor's answer to the worker.
type Started struct {
	Version int
	Task    Identity
	Time    time.Time
}

// Exit is exit.json.
type Exit struct {
	Version   int
	Code      *int `json:",omitempty"` // nil: not known
	OOMKilled bool `json:",omitempty"`
	Time      time.Time
	Error     string `json:",omitempty"`
}

// Check refuses a record that this version cannot have written.
func (r Started) Check() error {
	if r.Task.PID <= 0 {
		return errors.New("it names no process")
	}
	return CheckVersion(r.Version)
}

// Check refuses a record that this version cannot have written.
func (r Exit) Check() error {
	if r.Code != nil && (*r.Code < 0 || *r.Code > 255) {
		return fmt.Errorf("%d is no exit code", *r.Code)
	}
	return CheckVersion(r.Version)
}

// CheckVersion is ErrVersion, with both named, where the version is not this one.
func CheckVersion(version int) error {
	if version != RecordVersion {
		return fmt.Errorf("%w: it has version %d, known is version %d", ErrVersion, version, RecordVersion)
	}
	return nil
}

// DecodeRecord reads one record, and nothing after it.
func DecodeRecord[R Record](data []byte) (R, error) {
	var record R
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&record); err != nil {
		return record, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return record, errors.New("something follows the record")
	}
	return record, record.Check()
}

// ReadRecord reads a record of the run's directory; where there is none the
// error is fs.ErrNotExist.
func ReadRecord[R Record](dir, name string) (R, error) {
	var none R
	file, err := os.Open(join(dir, name))
	if err != nil {
		return none, err
	}
	defer file.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(file, maxRecord+1))
	if err == nil && len(data) > maxRecord {
		err = fmt.Errorf("it is larger than %d bytes", maxRecord)
	}
	if err != nil {
		return none, fmt.Errorf("the record %s: %w", file.Name(), err)
	}
	record, err := DecodeRecord[R](data)
	if err != nil {
		return none, fmt.Errorf("the record %s: %w", file.Name(), err)
	}
	return record, nil
}

// WriteRecord puts a record into the run's directory, whole or not at all.
// With durable it is on disk, name and all, when WriteRecord returns.
func WriteRecord(dir, name string, record any, durable bool) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("the record %s cannot be written: %w", name, err)
	}
	place := join(dir, name)
	// Not truncated before it is written: what reserveRecord has set aside is
	// written over.
	file, err := os.OpenFile(place+newSuffix, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the record %s cannot be written: %w", name, err)
	}
	data = append(data, '\n')
	if _, err = file.Write(data); err == nil {
		err = file.Truncate(int64(len(data)))
	}
	if err == nil && durable {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(place+newSuffix, place)
	}
	if err == nil && durable {
		err = SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("the record %s cannot be written: %w", place, err)
	}
	return nil
}

// reserveRecord sets room aside for a record, so that it can be written when
// the disk is full.
func reserveRecord(dir, name string) error {
	const room = 4096 // bytes
	file, err := os.OpenFile(join(dir, name+newSuffix), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("there is no room for the record %s: %w", name, err)
	}
	err = unix.Fallocate(int(file.Fd()), 0, 0, room)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = nil // a file system that cannot promise room
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("there is no room for the record %s: %w", name, err)
	}
	return nil
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// groupRecord is of run.json what Discard needs.
type groupRecord struct {
	Version int
	Cgroup  *Group
}

// Check refuses a record that this version cannot have written.
func (r groupRecord) Check() error { return CheckVersion(r.Version) }

// Discard removes a run of which nothing runs: its cgroup, if there is a
// record of one, and its directory, the record first, so that what a crash
// leaves half removed is not taken for a run.
func Discard(dir string) error {
	var err error
	if record, unread := ReadRecord[groupRecord](dir, RunFile); unread == nil {
		err = record.Cgroup.Remove()
	}
	return errors.Join(err, ignore(os.Remove(join(dir, RunFile)), fs.ErrNotExist), os.RemoveAll(dir))
}

// ignore is err, unless it is the one to be ignored.
func ignore(err, ignored error) error {
	if errors.Is(err, ignored) {
		return nil
	}
	return err
}

// join is path.Join of clean parts. That package, which is not among those that
// nearly all others import, would have most of them initialised before this one.
func join(first string, rest ...string) string {
	joined := strings.TrimRight(first, "/")
	for _, part := range rest {
		if part = strings.Trim(part, "/"); part != "" {
			joined += "/" + part
		}
	}
	return joined
}
