package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Open opens the file at path, or creates it with mode 0600. It waits at most
// timeout for another process to let go of the file; 0 waits for ever.
func Open(path string, timeout time.Duration) (*Store, error) {
	if err := inspect(path, timeout); err != nil {
		return nil, err
	}
	db, err := openFile(path, &bbolt.Options{Timeout: timeout, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, openError(path, err)
	}
	if err := view(db, checkPages); err != nil {
		return nil, errors.Join(fmt.Errorf("the store %s %w", path, err), db.Close())
	}
	if err := prepare(db); err != nil {
		return nil, errors.Join(fmt.Errorf("the store %s cannot be written: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// openFile opens the file with bbolt, which panics over some kinds of damage:
// that is an error here, and the file is let go of.
func openFile(path string, options *bbolt.Options) (db *bbolt.DB, err error) {
	var file *os.File
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	defer func() {
		if cause := recover(); cause != nil {
			// The map that bbolt leaves would keep the lock of a file that
			// is closed.
			db, err = nil, errors.Join(damage{cause}, unlock(file), file.Close())
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a file cut short under its map
	return bbolt.Open(path, 0o600, options)
}

// damage is what made bbolt panic.
type damage struct{ cause any }

func (d damage) Error() string { return fmt.Sprintf("is corrupt: %v", d.cause) }

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
	db, err := openFile(path, &bbolt.Options{Timeout: timeout, ReadOnly: true})
	if err != nil {
		return openError(path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = view(db, func(tx *bbolt.Tx) error {
		// Reading beyond the end of a file that is cut off would be fatal.
		if tx.Size() > info.Size() {
			return fmt.Errorf("is corrupt: it should have %d bytes, and has %d", tx.Size(), info.Size())
		}
		return checkSchema(tx)
	})
	if err != nil {
		return fmt.Errorf("the store %s %w", path, err)
	}
	return nil
}

// checkPages makes sure that the pages follow one another as far as the file
// goes: one that claims more would have bbolt free pages without end. It reads
// the head of each page, milliseconds for a file of 100 MB.
func checkPages(tx *bbolt.Tx) error {
	const firstPage = 2 // after the two meta pages
	for id := firstPage; ; {
		page, err := tx.Page(id)
		if err != nil {
			return err
		}
		if page == nil {
			return nil // past the last
		}
		id++
		if page.Type != "free" {
			id += page.OverflowCount
		}
		if page, err = tx.Page(id - 1); err != nil || page == nil {
			return damage{fmt.Sprintf("page %d reaches past the end", id-1)}
		}
	}
}

// view reads in one transaction. What bbolt panics over is an error.
func view(db *bbolt.DB, read func(*bbolt.Tx) error) (err error) {
	defer recovered(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return db.View(read)
}

// update writes in one transaction. What bbolt panics over is an error, and
// nothing is written.
func update(db *bbolt.DB, write func(*bbolt.Tx) error) (err error) {
	defer recovered(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return db.Update(write)
}

func recovered(err *error) {
	if cause := recover(); cause != nil {
		*err = damage{cause}
	}
}

func openError(path string, err error) error {
	var damaged damage
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("the store %s is in use by another process", path)
	case errors.As(err, &damaged):
		return fmt.Errorf("the store %s %w", path, err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("the store %s is corrupt, or no store at all: %w", path, err)
	default:
		return fmt.Errorf("the store %s cannot be opened: %w", path, err)
	}
}
