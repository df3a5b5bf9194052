package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"cube/worker/boltfile"
)

// Open opens the file at path, or creates it with mode 0600. It waits at most
// timeout for another process to let go of the file; 0 waits for ever.
func Open(path string, timeout time.Duration) (*Store, error) {
	if err := inspect(path, timeout); err != nil {
		return nil, err
	}
	db, err := boltfile.Open(path, bbolt.Options{Timeout: timeout, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, openError(path, err)
	}
	if err := boltfile.View(db, boltfile.CheckPages); err != nil {
		return nil, errors.Join(useError(path, err), db.Close())
	}
	if err := prepare(db); err != nil {
		return nil, errors.Join(fmt.Errorf("the store %s cannot be written: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// inspect looks at the file without writing to it. A file that is not there, or
// empty, is as good as any.
func inspect(path string, timeout time.Duration) (err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && info.Size() == 0) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the store: %w", err)
	}
	db, err := boltfile.Open(path, bbolt.Options{Timeout: timeout, ReadOnly: true})
	if err != nil {
		return openError(path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = boltfile.View(db, func(tx *bbolt.Tx) error {
		if err := boltfile.CheckLength(tx); err != nil {
			return err
		}
		return checkSchema(tx)
	})
	return useError(path, err)
}

// openError says in a sentence why a file was not opened.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("the store %s is in use by another process", path)
	case boltfile.IsDamaged(err):
		return fmt.Errorf("the store %s is corrupt, or no store at all: %w", path, err)
	default:
		return fmt.Errorf("the store %s cannot be opened: %w", path, err)
	}
}

// useError says in a sentence what is wrong with what is in an open file; no
// error is none.
func useError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(boltfile.Damage)):
		return fmt.Errorf("the store %s is corrupt: %w", path, err)
	default:
		return fmt.Errorf("the store %s %w", path, err)
	}
}
