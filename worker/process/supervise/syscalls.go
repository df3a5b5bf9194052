package supervise

import (
	"syscall"
	"unsafe"
)

// System calls that package syscall lacks. golang.org/x/sys/unix has them all, and
// would be initialised after most other packages, and this one after it.

// Numbers that are the same on all architectures that Go knows but MIPS (since
// Linux 5.0 each system call is given one number).
const (
	sysPidfdSendSignal = 424
	sysPidfdOpen       = 434
	sysCloseRange      = 436
)

const (
	closeRangeCloexec   = 4  // CLOSE_RANGE_CLOEXEC
	prSetChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER
	pollIn              = 1  // POLLIN
)

// becomeSubreaper has orphans below this process become its children.
func becomeSubreaper() error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	return plainErrno(errno)
}

// awaitChild waits until a child has ended, which stays to be reaped.
func awaitChild() error {
	const all = 0 // P_ALL
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, all, 0, 0, syscall.WEXITED|syscall.WNOWAIT, 0, 0)
	return plainErrno(errno)
}

// openPidfd returns a non-blocking pidfd, which is closed on exec, as all are.
func openPidfd(pid int) (int, error) {
	fd, _, errno := syscall.RawSyscall(sysPidfdOpen, uintptr(pid), syscall.O_NONBLOCK, 0)
	return int(fd), plainErrno(errno)
}

func signalPidfd(fd uintptr, sig syscall.Signal) error {
	_, _, errno := syscall.RawSyscall6(sysPidfdSendSignal, fd, uintptr(sig), 0, 0, 0, 0)
	return plainErrno(errno)
}

// readable reports whether the descriptor is, at once.
func readable(fd uintptr) (bool, error) {
	poll := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: pollIn}
	var now syscall.Timespec
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno == 0 && n > 0, ignore(plainErrno(errno), syscall.EINTR)
}

// closeOnExecFrom has all descriptors from the first on closed on exec. It takes
// Linux 5.11.
func closeOnExecFrom(first uintptr) error {
	_, _, errno := syscall.RawSyscall(sysCloseRange, first, uintptr(^uint32(0)), closeRangeCloexec)
	return plainErrno(errno)
}

// plainErrno is nil for 0.
func plainErrno(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// signalName is the name of a signal, "" of one that has none.
func signalName(sig syscall.Signal) string {
	names := [...]string{
		syscall.SIGABRT: "SIGABRT", syscall.SIGALRM: "SIGALRM", syscall.SIGBUS: "SIGBUS", syscall.SIGCHLD: "SIGCHLD",
		syscall.SIGCONT: "SIGCONT", syscall.SIGFPE: "SIGFPE", syscall.SIGHUP: "SIGHUP", syscall.SIGILL: "SIGILL",
		syscall.SIGINT: "SIGINT", syscall.SIGIO: "SIGIO", syscall.SIGKILL: "SIGKILL", syscall.SIGPIPE: "SIGPIPE",
		syscall.SIGPROF: "SIGPROF", syscall.SIGPWR: "SIGPWR", syscall.SIGQUIT: "SIGQUIT", syscall.SIGSEGV: "SIGSEGV",
		syscall.SIGSTOP: "SIGSTOP", syscall.SIGSYS: "SIGSYS", syscall.SIGTERM: "SIGTERM", syscall.SIGTRAP: "SIGTRAP",
		syscall.SIGTSTP: "SIGTSTP", syscall.SIGTTIN: "SIGTTIN", syscall.SIGTTOU: "SIGTTOU", syscall.SIGURG: "SIGURG",
		syscall.SIGUSR1: "SIGUSR1", syscall.SIGUSR2: "SIGUSR2", syscall.SIGVTALRM: "SIGVTALRM", syscall.SIGWINCH: "SIGWINCH",
		syscall.SIGXCPU: "SIGXCPU", syscall.SIGXFSZ: "SIGXFSZ", syscall.SIGSTKFLT: "SIGSTKFLT",
	}
	if sig < 0 || int(sig) >= len(names) {
		return ""
	}
	return names[sig]
}
