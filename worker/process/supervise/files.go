package supervise

import (
	"errors"
	"io/fs"
	"syscall"
)

// Files of the kernel are read and written by bare system calls: os would register
// each of them with its poller.

// again calls until a signal does not interrupt.
func again(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR { //nolint:errorlint // a bare errno
			return err
		}
	}
}

// open is os.OpenFile, to a bare descriptor.
func open(path string, flags int, mode uint32) (fd int, err error) {
	err = again(func() error {
		fd, err = syscall.Open(path, flags|syscall.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// readFile is os.ReadFile.
func readFile(path string) ([]byte, error) {
	fd, err := open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd) //nolint:errcheck // only read
	text := make([]byte, 0, 512)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := read(fd, text[len(text):cap(text)])
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return text, nil
		}
		text = text[:len(text)+n]
	}
}

// control writes to a file of the kernel that is there.
func control(path, text string) error {
	fd, err := open(path, syscall.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err = errors.Join(writeAll(fd, []byte(text)), syscall.Close(fd)); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// read is read(2).
func read(fd int, b []byte) (n int, err error) {
	err = again(func() error {
		n, err = syscall.Read(fd, b)
		return err
	})
	return n, err
}

// writeAll writes the text.
func writeAll(fd int, text []byte) error {
	for len(text) > 0 {
		err := again(func() error {
			n, err := syscall.Write(fd, text)
			text = text[max(n, 0):]
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
