//go:build linux && !(amd64 || arm64)

package rawread

import "golang.org/x/sys/unix"

// Pread is pread(2), begun again where a signal came between. How a call takes an
// offset of 64 bits differs between machines of 32: x/sys knows.
func Pread(fd int, p []byte, offset int64) (n int, err error) {
	for {
		if n, err = unix.Pread(fd, p, offset); err != unix.EINTR { //nolint:errorlint // a bare Errno
			return n, err
		}
	}
}

// Poll is poll(2) of one descriptor, which does not wait: what of events there is.
func Poll(fd int, events int16) (revents int16, err error) {
	asked := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		if _, err = unix.Poll(asked, 0); err != unix.EINTR { //nolint:errorlint // a bare Errno
			return asked[0].Revents, err
		}
	}
}

// Statfs is statfs(2).
func Statfs(path string, buf *unix.Statfs_t) error { return unix.Statfs(path, buf) }
