package supervise

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
)

// Identity names one process for all time: a PID alone is used again, and a
// start time alone counts from a boot.
type Identity struct {
	BootID string
	PID    int
	Start  uint64 // clock ticks after boot, /proc/<pid>/stat field 22
}

// ErrGone says that the process of an identity has ended.
var ErrGone = errors.New("the process has ended")

// BootID returns the kernel's random ID of this boot.
func BootID() (string, error) {
	text, err := readFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", wrap("the boot ID cannot be read", err)
	}
	id, _ := field(string(text))
	return id, nil
}

// StartTime reads when the process started, in clock ticks after boot.
func StartTime(pid int) (uint64, error) {
	stat, err := ReadStat(pid)
	return stat.Start, err
}

// Process is a handle on one process that stays right when its PID is used
// again. All methods may be called at the same time.
type Process struct {
	PID  int
	file *os.File // a non-blocking pidfd, watched by Go's poller
	raw  syscall.RawConn
}

// OpenPID returns a handle on whatever has the PID now. It is for children of
// this process that have not been waited for, whose PID is not free yet.
func OpenPID(pid int) (*Process, error) {
	fd, err := openPidfd(pid)
	if err != nil {
		return nil, wrap("process "+strconv.Itoa(pid)+" cannot be opened", err)
	}
	file := os.NewFile(uintptr(fd), "pidfd:"+strconv.Itoa(pid))
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Process{PID: pid, file: file, raw: raw}, nil
}

// Open returns a handle on the process of the identity. The error is ErrGone
// where there is no such process, or another one has its PID.
func (id Identity) Open(bootID string) (*Process, error) {
	if id.BootID != bootID || id.PID <= 0 {
		return nil, ErrGone
	}
	p, err := OpenPID(id.PID)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EINVAL) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	// Read after the handle was opened: if the start time is right now, the
	// handle, which is not younger, is on that process too.
	if start, err := StartTime(id.PID); err != nil || start != id.Start {
		return nil, errors.Join(ErrGone, p.Close())
	}
	return p, nil
}

// Wait blocks until the process has ended. It is an error that the handle is
// closed meanwhile.
func (p *Process) Wait() error {
	var polled error
	err := p.raw.Read(func(fd uintptr) bool {
		var ended bool
		ended, polled = readable(fd)
		return ended || polled != nil
	})
	return errors.Join(err, polled)
}

// WaitContext is Wait, cut short by the context. It closes the handle.
func (p *Process) WaitContext(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	defer stop()
	err := p.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(err, p.Close())
}

// Signal sends the signal; a process that has ended is no error, a closed
// handle is os.ErrClosed.
func (p *Process) Signal(sig syscall.Signal) error {
	var sent error
	err := p.raw.Control(func(fd uintptr) { sent = signalPidfd(fd, sig) })
	if err != nil {
		// All that Control fails with; its own error has no name.
		return errors.Join(os.ErrClosed, err)
	}
	return ignore(sent, syscall.ESRCH)
}

// Close gives the handle up; a wait under way returns.
func (p *Process) Close() error { return p.file.Close() }
