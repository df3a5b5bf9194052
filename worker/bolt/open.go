package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"cube/worker/boltfile"
)

// schema is the version of what is in the file. It grows when an older program
// could not read what this one writes.
const schema = 1

var (
	metaBucket  = []byte("meta")
	tasksBucket = []byte("tasks")
	schemaKey   = []byte("schema")
)

// Open opens the file, or makes it where there is none, readable by its owner
// only. It waits for another process that has it open for as long as timeout (0:
// not at all). A file that is damaged, of a newer version or not ours is an error
// that says so, and is left as it is.
func Open(path string, timeout time.Duration) (*Store, error) {
	db, err := boltfile.Open(path, bbolt.Options{
		Timeout: max(timeout, leastTimeout),
		// Far less to write a commit than an array, and as safe.
		FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, describe(path, err)
	}
	s := &Store{db: db}
	if err := s.prepare(); err != nil {
		return nil, describe(path, errors.Join(err, db.Close()))
	}
	return s, nil
}

// leastTimeout is what a timeout of 0 becomes: to bbolt, 0 is for ever.
const leastTimeout = time.Millisecond

// ErrUnusable says that a file is damaged, or not for this program, or that there
// is no room to make it. What there was is left as it is.
var ErrUnusable = errors.New("the worker's state is unusable")

// unusable is an error that is ErrUnusable, in words of its own.
type unusable struct{ error }

func (u unusable) Unwrap() error        { return u.error }
func (u unusable) Is(target error) bool { return target == ErrUnusable }

// foreign says that the file is sound but not for this program.
type foreign struct{ reason string }

func (f foreign) Error() string { return f.reason }

// prepare checks that the file is whole and ours before anything is written to
// it, and makes the buckets of a new one.
func (s *Store) prepare() error {
	fresh := false
	err := boltfile.View(s.db, func(tx *bbolt.Tx) error {
		err := boltfile.CheckLength(tx)
		if err != nil {
			return err
		}
		fresh, err = isFresh(tx)
		return err
	})
	if err != nil {
		return err
	}
	if fresh {
		return s.create()
	}
	return boltfile.View(s.db, check)
}

// create makes the buckets of a new file, and makes sure that the file itself is
// still there after a power cut.
func (s *Store) create() error {
	err := boltfile.Update(s.db, func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(tasksBucket); err != nil {
			return err
		}
		return meta.Put(schemaKey, []byte(strconv.Itoa(schema)))
	})
	if err != nil {
		return err
	}
	directory, err := os.Open(filepath.Dir(s.db.Path()))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// isFresh reports whether the file is new, or why it is not for this program.
func isFresh(tx *bbolt.Tx) (bool, error) {
	meta, tasks := tx.Bucket(metaBucket), tx.Bucket(tasksBucket)
	if meta == nil && tasks == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return false, foreign{"it belongs to another program"}
		}
		return true, nil
	}
	if meta == nil || tasks == nil {
		return false, boltfile.Damage{Cause: "a part of it is missing"}
	}
	text := string(meta.Get(schemaKey))
	version, err := strconv.Atoi(text)
	switch {
	case err != nil || version < 1:
		return false, boltfile.Damage{Cause: fmt.Sprintf("its schema is %q", text)}
	case version > schema:
		return false, foreign{fmt.Sprintf("it was written by a newer version (schema %d; this one reads up to %d)", version, schema)}
	}
	return false, nil
}

// check reads every page and every record once, those first whose damage would
// lead the later ones astray. The file of some ten thousand tasks takes tens of
// milliseconds.
func check(tx *bbolt.Tx) error {
	if err := boltfile.CheckPages(tx); err != nil {
		return err
	}
	err := tx.Bucket(tasksBucket).ForEach(func(key, value []byte) error {
		if _, err := decode(key, value); err != nil {
			return boltfile.Damage{Cause: fmt.Sprintf("the record of task %s %v", keyText(key), err)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var found error
	for err := range tx.Check() { // read to the end, or its goroutine stays
		if found == nil {
			found = boltfile.Damage{Cause: err}
		}
	}
	return found
}

// describe says in a sentence what is wrong with the file.
func describe(path string, err error) error {
	switch {
	case boltfile.IsDamaged(err):
		return unusable{fmt.Errorf("the worker's state %s is damaged and was left as it is: %w; move it away to start without it", path, err)}
	case errors.As(err, new(foreign)):
		return unusable{fmt.Errorf("the worker's state %s was left as it is: %w", path, err)}
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("the worker's state %s is in use by another process", path)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return unusable{fmt.Errorf("the worker's state %s cannot be made, since its disk is full: %w; start again when there is room", path, err)}
	}
	return fmt.Errorf("the worker's state cannot be opened: %w", err)
}
