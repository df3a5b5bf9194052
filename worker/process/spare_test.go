package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"cube/worker"
	"cube/worker/process/supervise"
	"cube/worker/task"
)

// spareOf waits for the runtime's spare supervisor and takes it.
func spareOf(t *testing.T, rt *Runtime) *newSupervisor {
	t.Helper()
	select {
	case s := <-rt.spare:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("no supervisor is kept ready")
		return nil
	}
}

// awaitReady waits until the supervisor has come up so far that it catches
// signals, which its name says.
func awaitReady(t *testing.T, s *newSupervisor) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(20 * time.Second)
	for {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.process.PID))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(name)) == supervise.Name {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("the supervisor is still called %s", name)
		}
	}
}

// Whatever becomes of the spare while nobody looks, the next start works, and
// the task gets no signal that was not for it.
func TestSpareThatIsSignalled(t *testing.T) {
	for name, signal := range map[string]unix.Signal{"killed": unix.SIGKILL, "asked to end": unix.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			rt := newRuntime(t, Config{})
			s := spareOf(t, rt)
			awaitReady(t, s)
			if err := s.process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if signal == unix.SIGKILL {
				if err := s.process.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			rt.spare <- s
			r := startCommand(t, rt, "sh", "-c", "exit 7")
			if exit := wait(t, rt, r.Key); exit.Code == nil || *exit.Code != 7 {
				t.Errorf("ended with %s; want 7", code(exit))
			}
			if next := spareOf(t, rt); next.process.PID == s.process.PID {
				t.Error("the spare was used twice")
			} else {
				rt.spare <- next
			}
		})
	}
}

func TestCloseLeavesNoSpare(t *testing.T) {
	rt, err := New(Config{Dir: t.TempDir(), NoCgroups: true})
	if err != nil {
		t.Fatal(err)
	}
	s := spareOf(t, rt)
	rt.spare <- s
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(s.process.PID, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the spare is still there: %v", err)
	}
}

// A supervisor that is lost between its assignment and the word to go has started
// nothing: another one takes the run, which begins once.
func TestSpareThatIsKilledWithItsOrder(t *testing.T) {
	rt := newRuntime(t, Config{})
	s := spareOf(t, rt)
	awaitReady(t, s)
	if err := s.process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	rt.spare <- s
	key := worker.Key{Task: uuid.New()}
	begun := filepath.Join(t.TempDir(), "begun")
	started := make(chan error, 1)
	go func() {
		_, err := rt.Start(t.Context(), key, &task.Task{Command: []string{"sh", "-c", "echo begun >>" + begun + "; exit 7"}})
		started <- err
	}()
	// It is on record, so it was assigned, and its order waits to be read.
	record := filepath.Join(rt.runs, key.String(), supervise.RunFile)
	eventually(t, "the run is on record", func() bool { _, err := os.Stat(record); return err == nil })
	if err := s.process.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if exit := wait(t, rt, key); code(exit) != "7" {
		t.Errorf("ended with %s, %s; want 7", code(exit), exit.Error)
	}
	if text, err := os.ReadFile(begun); err != nil || string(text) != "begun\n" {
		t.Errorf("it began %q, %v", text, err)
	}
}

// A supervisor is not ended by what people and terminals send, and its task is
// started with none of that ignored.
func TestStraySignalsDoNotEndASupervisor(t *testing.T) {
	rt := newRuntime(t, Config{})
	path := fifo(t, rt.config.Dir)
	r := startCommand(t, rt, "sh", "-c", "read go <"+path+"; exit 7")
	strays := []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR2, unix.SIGALRM, unix.SIGWINCH, unix.SIGPIPE}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pidOf(t, r)))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "SigIgn:")
	var ignored uint64
	if _, err := fmt.Sscanf(rest, "%x", &ignored); err != nil {
		t.Fatal(err)
	}
	for _, stray := range append(strays, supervise.StopSignal, supervise.KillSignal) {
		if ignored>>(stray-1)&1 != 0 {
			t.Errorf("the task ignores %s", unix.SignalName(stray))
		}
	}
	for _, stray := range strays {
		if err := rt.find(r.Key).supervisor.Signal(stray); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if exit := wait(t, rt, r.Key); code(exit) != "7" {
		t.Errorf("ended with %s, %q; want 7", code(exit), exit.Error)
	}
}
