package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// identity names one process for all time: a PID alone is used again, and a
// start time alone counts from a boot.
type identity struct {
	BootID string
	PID    int
	Start  uint64 // clock ticks after boot, /proc/<pid>/stat field 22
}

// errGone says that the process of an identity has ended.
var errGone = errors.New("the process has ended")

// readBootID returns the kernel's random ID of this boot.
func readBootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("the boot ID cannot be read: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// startTime reads when the process started, in clock ticks after boot.
func startTime(pid int) (uint64, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0, err
	}
	return stat.Starttime, nil
}

// process is a handle on one process that stays right when its PID is used
// again. All methods may be called at the same time.
type process struct {
	pid  int
	file *os.File // a non-blocking pidfd, watched by Go's poller
	raw  syscall.RawConn
}

// openPID returns a handle on whatever has the PID now. It is for children of
// this process that have not been waited for, whose PID is not free yet.
func openPID(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("process %d cannot be opened: %w", pid, err)
	}
	file := os.NewFile(uintptr(fd), "pidfd:"+strconv.Itoa(pid))
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &process{pid: pid, file: file, raw: raw}, nil
}

// open returns a handle on the process of the identity. The error is errGone
// where there is no such process, or another one has its PID.
func (id identity) open(bootID string) (*process, error) {
	if id.BootID != bootID || id.PID <= 0 {
		return nil, errGone
	}
	p, err := openPID(id.PID)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	// Read after the handle was opened: if the start time is right now, the
	// handle, which is not younger, is on that process too.
	if start, err := startTime(id.PID); err != nil || start != id.Start {
		return nil, errors.Join(errGone, p.close())
	}
	return p, nil
}

// wait blocks until the process has ended. It is an error that the handle is
// closed meanwhile.
func (p *process) wait() error {
	var polled error
	err := p.raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			polled = err
			return true
		}
		return n > 0
	})
	return errors.Join(err, polled)
}

// waitContext is wait, cut short by the context. It closes the handle.
func (p *process) waitContext(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.close() })
	defer stop()
	err := p.wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(err, p.close())
}

// signal sends the signal; a process that has ended is no error, a closed
// handle is os.ErrClosed.
func (p *process) signal(sig unix.Signal) error {
	var sent error
	err := p.raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if err != nil {
		// All that Control fails with; its own error has no name.
		return fmt.Errorf("%w: %w", os.ErrClosed, err)
	}
	return ignore(sent, unix.ESRCH)
}

// close gives the handle up; a wait under way returns.
func (p *process) close() error { return p.file.Close() }
