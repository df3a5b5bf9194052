//go:build unix

package scrape

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quiet reports whether a connection that waits is open, and nothing has come in
// that nobody asked for.
func quiet(conn net.Conn) bool {
	with, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := with.SyscallConn()
	if err != nil {
		return false
	}
	var peeked error
	var one [1]byte
	err = raw.Read(func(fd uintptr) bool {
		_, _, peeked = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return true
	})
	return err == nil && (errors.Is(peeked, unix.EAGAIN) || errors.Is(peeked, unix.EINTR))
}
