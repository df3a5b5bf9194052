package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk is a small file system of its own in memory, for one directory.
type Disk struct {
	dir string
}

// NewDisk mounts a disk of so many bytes on a directory that is there. It needs
// root.
func NewDisk(dir string, size int64) (*Disk, error) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		return nil, fmt.Errorf("a small file system on %s cannot be mounted: %w", dir, err)
	}
	return &Disk{dir: dir}, nil
}

// Fill takes all that is left of the disk, until Clear.
func (d *Disk) Fill() (err error) {
	file, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for size := 1 << 20; size > 0; {
		_, err := file.Write(make([]byte, size))
		switch {
		case errors.Is(err, unix.ENOSPC):
			size /= 2 // the last bytes too
		case err != nil:
			return err
		}
	}
	return nil
}

// Clear gives back what Fill took.
func (d *Disk) Clear() error {
	if err := os.Remove(d.filler()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (d *Disk) filler() string { return filepath.Join(d.dir, "filler") }

// Close unmounts the disk; it is gone once nobody has a file of it open.
func (d *Disk) Close() error { return unix.Unmount(d.dir, unix.MNT_DETACH) }
