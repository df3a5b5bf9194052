package web

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listen opens an address whose connections are sockets.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return socketListener{l.(*net.TCPListener)}, nil
}

type socketListener struct{ *net.TCPListener }

// Accept implements net.Listener.
func (l socketListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	s := &socket{TCPConn: c, raw: raw}
	s.receive, s.send = s.in.receive, s.out.send
	return s, nil
}

// socket is a TCP connection that takes less CPU to answer a scrape. It can hold
// back the beginning of an answer, and its system calls are raw ones: a socket of
// Go's never blocks in one, so that the scheduler need not be told of it. What it
// is told of wakes its monitor thread, which then looks every 20 µs, for as long
// as a scrape takes, whether somebody hangs: a tenth of a scrape's CPU.
type socket struct {
	*net.TCPConn
	raw           syscall.RawConn              // waits, with deadlines, as TCPConn does
	receive, send func(fd uintptr) (done bool) // in's and out's, bound once

	reading sync.Mutex // guards in
	in      received
	writing sync.Mutex // guards what follows
	out     sent
	holding bool
	held    []byte
}

// mostHeld is how much is held back, in bytes: the size of net/http's buffer.
const mostHeld = 4 << 10

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	s.in = received{into: p}
	err := s.raw.Read(s.receive)
	s.in.into = nil
	switch {
	case err != nil:
		return 0, err
	case s.in.errno != 0:
		return 0, s.failed("read", s.in.errno)
	case s.in.n == 0:
		return 0, io.EOF
	}
	return s.in.n, nil
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.holding && len(s.held)+len(p) <= mostHeld {
		s.held = append(s.held, p...)
		return len(p), nil
	}
	return s.write(p)
}

// write sends what is held, and p after it; it returns how much of p was sent.
// The caller holds writing.
func (s *socket) write(p []byte) (int, error) {
	held := len(s.held)
	s.out = sent{pieces: [2][]byte{s.held, p}}
	err := s.raw.Write(s.send)
	s.out.pieces, s.held = [2][]byte{}, s.held[:0]
	if err == nil && s.out.errno != 0 {
		err = s.failed("write", s.out.errno)
	}
	return max(0, s.out.n-held), err
}

func (s *socket) hold() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.holding = true
}

func (s *socket) release() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.holding = false
	if len(s.held) > 0 {
		_, _ = s.write(nil) // a broken connection fails the next write, too
	}
}

// failed is an error as net's own connections have it.
func (s *socket) failed(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
}

// received is the outcome of one read.
type received struct {
	into  []byte
	n     int
	errno syscall.Errno
}

// receive reads what is there; it is not done where that is nothing yet.
func (r *received) receive(fd uintptr) (done bool) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&r.into[0])), uintptr(len(r.into)))
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		case 0:
			r.n = int(n)
		default:
			r.errno = errno
		}
		return true
	}
}

// sent is the outcome of one write of up to two pieces.
type sent struct {
	pieces [2][]byte // what is still to be sent
	n      int
	errno  syscall.Errno
}

// send sends what there is room for; it is done when all is sent.
func (s *sent) send(fd uintptr) (done bool) {
	for len(s.pieces[0])+len(s.pieces[1]) > 0 {
		var vectors [2]unix.Iovec
		used := 0
		for _, piece := range s.pieces {
			if len(piece) > 0 {
				vectors[used].Base = &piece[0]
				vectors[used].SetLen(len(piece))
				used++
			}
		}
		n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&vectors[0])), uintptr(used))
		switch errno {
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case 0:
			s.advance(int(n))
		default:
			s.errno = errno
			return true
		}
	}
	return true
}

// advance takes n bytes off the pieces.
func (s *sent) advance(n int) {
	s.n += n
	for i, piece := range s.pieces {
		done := min(n, len(piece))
		s.pieces[i], n = piece[done:], n-done
	}
}
