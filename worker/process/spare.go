package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cube/worker/process/supervise"
)

// newSupervisor is a supervisor that waits for its order.
type newSupervisor struct {
	cmd     *exec.Cmd
	process *supervise.Process
	order   *os.File // a socket, written by the worker
	answer  *os.File // read by the worker
}

// keepSpare keeps one supervisor ready, so that a start need not wait until this
// program has come up once more: a supervisor without an order is good for any run.
// It ends, as all do, when nobody can give it an order any more.
func (rt *Runtime) keepSpare() {
	for {
		// Nobody else puts one there, so there is room.
		if len(rt.spare) == 0 {
			if s, err := rt.forkSupervisor(); err == nil {
				rt.spare <- s
			} else {
				rt.config.Log.Debug("No supervisor can be kept ready", "err", err)
			}
		}
		select {
		case <-rt.needSpare:
		case <-rt.ctx.Done():
			return
		}
		select {
		case <-time.After(spareRest):
		case <-rt.ctx.Done():
			return
		}
	}
}

// spareRest is how long after a start the next spare is made: the CPU is for what
// has just started, and for putting that on record and telling it.
const spareRest = 20 * time.Millisecond

// wakeSpares has the next spare made, if there is none.
func (rt *Runtime) wakeSpares() {
	select {
	case rt.needSpare <- struct{}{}:
	default:
	}
}

// dismissSpare ends the spare and waits for it. It is called when nobody takes
// or makes one any more.
func (rt *Runtime) dismissSpare() error {
	select {
	case s := <-rt.spare:
		return s.dismiss()
	default:
		return nil
	}
}

// takeSupervisor returns a supervisor that has the run in dir: the spare, or a
// new one where there is none or somebody has killed it.
func (rt *Runtime) takeSupervisor(dir string) (*newSupervisor, error) {
	select {
	case s := <-rt.spare:
		if s.assign(dir) == nil {
			return s, nil
		}
		if err := s.dismiss(); err != nil {
			return nil, err
		}
	default:
	}
	s, err := rt.forkSupervisor()
	if err != nil {
		return nil, err
	}
	if err := s.assign(dir); err != nil {
		return nil, errors.Join(err, s.dismiss())
	}
	return s, nil
}

// forkSupervisor re-executes this program as a supervisor.
func (rt *Runtime) forkSupervisor() (_ *newSupervisor, err error) {
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("the supervisor's socket: %w", err)
	}
	s := &newSupervisor{order: os.NewFile(uintptr(sockets[0]), "order")}
	files := []*os.File{os.NewFile(uintptr(sockets[1]), "order")} // the supervisor's, which it has copies of
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	answer, answerW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, s.order.Close())
	}
	s.answer, files = answer, append(files, answerW)
	s.cmd = &exec.Cmd{
		Path: rt.config.program, Args: []string{supervise.Name}, Dir: "/",
		// One thread of Go code is enough for a supervisor, and starts sooner.
		Env:   []string{"GOMAXPROCS=1"},
		Stdin: files[0], ExtraFiles: []*os.File{answerW},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := s.cmd.Start(); err != nil {
		s.closePipes()
		return nil, fmt.Errorf("the supervisor cannot be started: %w", err)
	}
	if s.process, err = supervise.OpenPID(s.cmd.Process.Pid); err != nil {
		s.closePipes() // which ends it
		return nil, errors.Join(err, ignoreExit(s.cmd.Wait()))
	}
	return s, nil
}

// assign gives the supervisor the run in dir: the name, the log, and the
// directory itself, locked until the supervisor has its order. Without one the
// supervisor removes the directory, and a worker that comes up meanwhile waits
// for that.
func (s *newSupervisor) assign(dir string) error {
	log, err := os.OpenFile(filepath.Join(dir, supervise.LogFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the supervisor has a copy
	lock, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // the supervisor has a copy
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	rights := unix.UnixRights(int(log.Fd()), int(lock.Fd()))
	return unix.Sendmsg(int(s.order.Fd()), []byte(dir), rights, nil, unix.MSG_NOSIGNAL)
}

// give tells the supervisor what to run, so that it prepares itself.
func (s *newSupervisor) give(o *supervise.Order) error {
	if _, err := s.order.Write(o.Encode()); err != nil {
		return fmt.Errorf("%w: %w", errUnheard, err)
	}
	return nil
}

// begin tells the supervisor to start what it was given, and returns what became
// of it.
func (s *newSupervisor) begin() (supervise.Started, error) {
	_, sendErr := s.order.Write([]byte{supervise.Go})
	started, err := readAnswer(s.answer)
	refused := (*startError)(nil)
	if err == nil || errors.As(err, &refused) {
		return started, err
	}
	// Its descriptors are closed in any order, but all before it has ended.
	if endErr := s.process.Wait(); endErr != nil {
		return started, errors.Join(err, endErr)
	}
	if sendErr != nil || s.unread() {
		err = fmt.Errorf("%w: %w", errUnheard, errors.Join(err, sendErr))
	}
	return started, err
}

// unread reports whether the supervisor has ended without having read all that it
// was sent, of which the word to go is the last.
func (s *newSupervisor) unread() bool {
	// What the peer of a local socket leaves unread when it closes, its kernel
	// tells the other end (unix_release_sock).
	pending, err := unix.GetsockoptInt(int(s.order.Fd()), unix.SOL_SOCKET, unix.SO_ERROR)
	return err == nil && unix.Errno(pending) == unix.ECONNRESET
}

// dismiss ends a supervisor that has no run, and waits for it.
func (s *newSupervisor) dismiss() error {
	s.closePipes()
	return errors.Join(s.process.Close(), ignoreExit(s.cmd.Wait()))
}

func (s *newSupervisor) closePipes() {
	_, _ = s.order.Close(), s.answer.Close()
}
