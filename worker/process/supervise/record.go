package supervise

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"
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
		return errors.New(strconv.Itoa(*r.Code) + " is no exit code")
	}
	return CheckVersion(r.Version)
}

// CheckVersion is ErrVersion, with both named, where the version is not this one.
func CheckVersion(version int) error {
	if version != RecordVersion {
		return &otherVersion{version}
	}
	return nil
}

// otherVersion is an ErrVersion that says which.
type otherVersion struct{ version int }

func (e *otherVersion) Error() string {
	return ErrVersion.Error() + ": it has version " + strconv.Itoa(e.version) + ", known is version " + strconv.Itoa(RecordVersion)
}

func (e *otherVersion) Unwrap() error { return ErrVersion }

// WriteRecord puts a record into the run's directory, whole or not at all.
// With durable it is on disk, name and all, when WriteRecord returns.
func WriteRecord(dir, name string, record []byte, durable bool) error {
	place := join(dir, name)
	// Not truncated before it is written: what reserveRecord has set aside is
	// written over.
	fd, err := open(place+newSuffix, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return wrap("the record "+name+" cannot be written", err)
	}
	record = append(record, '\n')
	if err = writeAll(fd, record); err == nil {
		err = again(func() error { return syscall.Ftruncate(fd, int64(len(record))) })
	}
	if err == nil && durable {
		err = again(func() error { return syscall.Fsync(fd) })
	}
	if err = errors.Join(err, syscall.Close(fd)); err == nil {
		err = syscall.Rename(place+newSuffix, place)
	}
	if err == nil && durable {
		err = SyncDir(dir)
	}
	if err != nil {
		return wrap("the record "+place+" cannot be written", err)
	}
	return nil
}

// reserveRecord sets room aside for a record, so that it can be written when
// the disk is full.
func reserveRecord(dir, name string) error {
	const room = 4096 // bytes
	fd, err := open(join(dir, name+newSuffix), os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = again(func() error { return syscall.Fallocate(fd, 0, 0, room) })
		err = ignore(err, syscall.EOPNOTSUPP) // a file system that cannot promise room
		err = errors.Join(err, syscall.Close(fd))
	}
	if err != nil {
		return wrap("there is no room for the record "+name, err)
	}
	return nil
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	fd, err := open(dir, syscall.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(again(func() error { return syscall.Fsync(fd) }), syscall.Close(fd))
}

// Discard removes a run of which nothing runs: its cgroup and its directory, the
// record first, so that what a crash leaves half removed is not taken for a run.
func Discard(dir string, cgroup *Group) error {
	return errors.Join(cgroup.Remove(), ignore(os.Remove(join(dir, RunFile)), fs.ErrNotExist), os.RemoveAll(dir))
}

// join is path.Join of clean parts.
func join(first string, rest ...string) string {
	joined := trimRight(first, '/')
	for _, part := range rest {
		if part = trim(part, '/'); part != "" {
			joined += "/" + part
		}
	}
	return joined
}
