package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cube/worker/process/supervise"
)

// maxRecord bounds what is read as a record.
const maxRecord = 1 << 20

// checked is what is in one of the files of a run's directory.
type checked interface{ Check() error }

// decodeRecord reads one record, and nothing after it.
func decodeRecord[R checked](data []byte) (R, error) {
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

// readRecord reads a record of the run's directory; where there is none the
// error is fs.ErrNotExist.
func readRecord[R checked](dir, name string) (R, error) {
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

// writeRunRecord puts run.json into the run's directory, as
// [supervise.WriteRecord] does, on disk.
func writeRunRecord(dir string, record runRecord) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("the record %s cannot be written: %w", supervise.RunFile, err)
	}
	return supervise.WriteRecord(dir, supervise.RunFile, data, true)
}

// groupRecord is of run.json what discard needs.
type groupRecord struct {
	Version int
	Cgroup  *supervise.Group
}

// Check refuses a record that this version cannot have written.
func (r groupRecord) Check() error { return supervise.CheckVersion(r.Version) }

// discard removes a run of which nothing runs, with its cgroup if there is a record
// of one.
func discard(dir string) error {
	record, _ := readRecord[groupRecord](dir, supervise.RunFile) // no record, no cgroup
	return supervise.Discard(dir, record.Cgroup)
}
