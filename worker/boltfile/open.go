package boltfile

import (
	"errors"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Open opens the file at path with these options, but for OpenFile, which is
// Open's own, or makes it, readable by its owner only. Where bbolt panics the
// error is a Damage, and the file and its lock are let go of.
func Open(path string, options bbolt.Options) (db *bbolt.DB, err error) {
	var file *os.File
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	defer func() {
		if cause := recover(); cause != nil {
			// Closed is not enough: the map that bbolt leaves holds the lock.
			db, err = nil, errors.Join(Damage{cause}, unlock(file), file.Close())
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a file cut short under its map
	return bbolt.Open(path, 0o600, &options)
}

// View reads in one transaction. What bbolt panics over is a Damage.
func View(db *bbolt.DB, read func(*bbolt.Tx) error) (err error) {
	defer recovered(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return db.View(read)
}

// Update writes in one transaction. What bbolt panics over is a Damage, and
// nothing is written.
func Update(db *bbolt.DB, write func(*bbolt.Tx) error) (err error) {
	defer recovered(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return db.Update(write)
}

// Read calls read, which reads what a transaction has lent to a goroutine other
// than its own. A file that was cut short under its map is a Damage.
func Read(read func() error) (err error) {
	defer recovered(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return read()
}

func recovered(err *error) {
	if cause := recover(); cause != nil {
		*err = Damage{cause}
	}
}

// IsDamaged says whether err, of any function here, means that the file is
// damaged, or no file of bbolt at all.
func IsDamaged(err error) bool {
	return errors.As(err, new(Damage)) || errors.Is(err, bolterrors.ErrInvalid) ||
		errors.Is(err, bolterrors.ErrChecksum) || errors.Is(err, bolterrors.ErrVersionMismatch)
}
