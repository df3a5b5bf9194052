//go:build unix

package boltfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// unlock gives back what bbolt has locked.
func unlock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_UN) }
