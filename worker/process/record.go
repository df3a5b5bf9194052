package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"cube/worker"
	"cube/worker/task"
)

// The files of a run's directory.
const (
	runFile     = "run.json"
	startedFile = "started.json"
	exitFile    = "exit.json"
	logFile     = "supervisor.log"
)

// newSuffix is added to the name of a record that is being written.
const newSuffix = ".new"

// errVersion says that a record is of a version that this program does not
// know.
var errVersion = errors.New("it is of another version of this program")

// recordVersion is written into every record; a record of a later version is
// refused and left as it is.
const recordVersion = 1

// maxRecord bounds what is read as a record.
const maxRecord = 1 << 20

// runRecord is run.json.
type runRecord struct {
	Version    int
	Key        worker.Key
	Supervisor identity
	Cgroup     *group                        `json:",omitempty"`
	HostPorts  map[string][]task.PortBinding `json:",omitempty"`
	Created    time.Time
	// What a command that joins the run needs beside the task's environment,
	// which is read from the kernel.
	WorkingDir string
	Credential *syscall.Credential `json:",omitempty"`
}

// startedRecord is started.json, and the supervisor's answer to the worker.
type startedRecord struct {
	Version int
	Task    identity
	Time    time.Time
}

// exitRecord is exit.json.
type exitRecord struct {
	Version   int
	Code      *int `json:",omitempty"` // nil: not known
	OOMKilled bool `json:",omitempty"`
	Time      time.Time
	Error     string `json:",omitempty"`
}

// exit is the record as the worker knows it.
func (r exitRecord) exit() worker.Exit {
	return worker.Exit{Code: r.Code, OOMKilled: r.OOMKilled, Time: r.Time, Error: r.Error}
}

// check refuses a record that this version cannot have written.
func (r runRecord) check() error {
	if r.Supervisor.PID <= 0 || r.Supervisor.BootID == "" {
		return errors.New("it names no supervisor")
	}
	return checkVersion(r.Version)
}

func (r startedRecord) check() error {
	if r.Task.PID <= 0 {
		return errors.New("it names no process")
	}
	return checkVersion(r.Version)
}

func (r exitRecord) check() error {
	if r.Code != nil && (*r.Code < 0 || *r.Code > 255) {
		return fmt.Errorf("%d is no exit code", *r.Code)
	}
	return checkVersion(r.Version)
}

func checkVersion(version int) error {
	if version != recordVersion {
		return fmt.Errorf("%w: it has version %d, known is version %d", errVersion, version, recordVersion)
	}
	return nil
}

// decodeRecord reads one record, and nothing after it.
func decodeRecord[R interface{ check() error }](data []byte) (R, error) {
	var record R
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&record); err != nil {
		return record, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return record, errors.New("something follows the record")
	}
	return record, record.check()
}

// readRecord reads a record of the run's directory; where there is none the
// error is fs.ErrNotExist.
func readRecord[R interface{ check() error }](dir, name string) (R, error) {
	var none R
	file, err := os.Open(filepath.Join(dir, name))
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
	record, err := decodeRecord[R](data)
	if err != nil {
		return none, fmt.Errorf("the record %s: %w", file.Name(), err)
	}
	return record, nil
}

// writeRecord puts a record into the run's directory, whole or not at all.
// With durable it is on disk, name and all, when writeRecord returns.
func writeRecord(dir, name string, record any, durable bool) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("the record %s cannot be written: %w", name, err)
	}
	path := filepath.Join(dir, name)
	// Not truncated before it is written: what reserveRecord has set aside is
	// written over.
	file, err := os.OpenFile(path+newSuffix, os.O_WRONLY|os.O_CREATE, 0o600)
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
		err = os.Rename(path+newSuffix, path)
	}
	if err == nil && durable {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("the record %s cannot be written: %w", path, err)
	}
	return nil
}

// reserveRecord sets room aside for a record, so that it can be written when
// the disk is full.
func reserveRecord(dir, name string) error {
	const room = 4096 // bytes
	file, err := os.OpenFile(filepath.Join(dir, name+newSuffix), os.O_WRONLY|os.O_CREATE, 0o600)
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

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// parseKey reads a key as Key.String writes it.
func parseKey(name string) (worker.Key, error) {
	const idLen = 36 // a UUID with its hyphens
	if len(name) > idLen && name[idLen] == '-' {
		id, err := uuid.Parse(name[:idLen])
		allocation, restart, found := strings.Cut(name[idLen+1:], "-")
		a, errA := strconv.ParseUint(allocation, 10, 64)
		r, errR := strconv.Atoi(restart)
		key := worker.Key{Task: id, Allocation: a, Restart: r}
		if found && errors.Join(err, errA, errR) == nil && key.String() == name {
			return key, nil
		}
	}
	return worker.Key{}, fmt.Errorf("%q is not the key of a run", name)
}

// discard removes a run of which nothing runs: its cgroup, if there is a
// record of one, and its directory, the record first, so that what a crash
// leaves half removed is not taken for a run.
func discard(dir string) error {
	var err error
	if record, unread := readRecord[runRecord](dir, runFile); unread == nil {
		err = record.Cgroup.remove()
	}
	return errors.Join(err, ignore(os.Remove(filepath.Join(dir, runFile)), fs.ErrNotExist), os.RemoveAll(dir))
}
