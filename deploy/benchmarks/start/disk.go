package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// disk does what a start by the worker writes and waits for, and nothing else, in
// the same file system: strace -f -e trace=fsync,fdatasync shows the worker's.
type disk struct {
	dir    string
	state  *os.File // as its database
	record bool     // of the run, as the process runtime has
}

func newDisk(dir string, record bool) (*disk, error) {
	d := &disk{dir: filepath.Join(dir, "disk"), record: record}
	if err := os.MkdirAll(filepath.Join(d.dir, "run"), 0o700); err != nil {
		return nil, err
	}
	var err error
	d.state, err = os.Create(filepath.Join(d.dir, "state"))
	if err == nil {
		err = d.commit() // the file has its size
	}
	return d, err
}

func (d *disk) close() error { return d.state.Close() }

// write is two commits of the state, that the task is accepted and that it runs,
// and between them the record of its run.
func (d *disk) write() error {
	if err := d.commit(); err != nil {
		return err
	}
	if d.record {
		if err := d.writeRecord(); err != nil {
			return err
		}
	}
	return d.commit()
}

// commit is one of bbolt's: some pages, then a meta page.
func (d *disk) commit() error {
	const page = 4096
	for _, pages := range []int{4, 1} {
		if _, err := d.state.WriteAt(make([]byte, pages*page), 0); err != nil {
			return err
		}
		if err := syscall.Fdatasync(int(d.state.Fd())); err != nil {
			return err
		}
	}
	return nil
}

// writeRecord is a new file in a new name, the directory that it is in, and, at
// the same time, the one above.
func (d *disk) writeRecord() error {
	above := make(chan error, 1)
	go func() { above <- syncDir(d.dir) }()
	run := filepath.Join(d.dir, "run")
	file, err := os.Create(filepath.Join(run, "record.new"))
	if err != nil {
		return errors.Join(err, <-above)
	}
	_, err = file.Write(make([]byte, 600))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(run, "record"))
	}
	return errors.Join(err, syncDir(run), <-above)
}

func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
