//go:build linux && (amd64 || arm64)

package rawread

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pread is pread(2), begun again where a signal came between.
func Pread(fd int, p []byte, offset int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PREAD64, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(offset), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Poll is poll(2) of one descriptor, which does not wait: what of events there is.
func Poll(fd int, events int16) (revents int16, err error) {
	asked, now := unix.PollFd{Fd: int32(fd), Events: events}, unix.Timespec{}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&asked)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		switch errno {
		case 0:
			return asked.Revents, nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Statfs is statfs(2).
func Statfs(path string, buf *unix.Statfs_t) error {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_STATFS, uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(buf)), 0); errno != 0 {
		return errno
	}
	return nil
}
