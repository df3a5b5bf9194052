package faults

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// clockVariable has the test program print its clocks, each time it is asked.
const clockVariable = "CUBE_TEST_PRINT_CLOCK"

func TestMain(m *testing.M) {
	if os.Getenv(clockVariable) == "" {
		os.Exit(m.Run())
	}
	begin := time.Now()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		now := time.Now()
		fmt.Println(now.Unix(), now.Sub(begin).Nanoseconds())
	}
}

// TestClockStepsUnderOneProcess: its wall clock moves, forth and back, and its
// monotonic one does not; this process's stays.
func TestClockStepsUnderOneProcess(t *testing.T) {
	needRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), clockVariable+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	ask, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var clock *Clock
	err = onThread(func() error {
		if err := command.Start(); err != nil {
			return err
		}
		clock, err = NewClock(command.Process.Pid)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer clock.Close()
	var ahead time.Duration
	for _, by := range []time.Duration{0, time.Hour, -3 * time.Hour, 2 * time.Hour} {
		if err := clock.Step(by); err != nil {
			t.Fatal(err)
		}
		ahead += by
		before := time.Now()
		if _, err := fmt.Fprintln(ask); err != nil {
			t.Fatal(err)
		}
		var seconds, monotonic int64
		if _, err := fmt.Fscan(answers, &seconds, &monotonic); err != nil {
			t.Fatal(err)
		}
		earliest, latest := before.Add(ahead).Unix(), time.Now().Add(ahead).Unix()
		if seconds < earliest || seconds > latest {
			t.Errorf("%v ahead its clock says %d; want %d to %d", ahead, seconds, earliest, latest)
		}
		if elapsed := time.Duration(monotonic); elapsed < 0 || elapsed > time.Minute {
			t.Errorf("%v ahead its monotonic clock says %v", ahead, elapsed)
		}
	}
	if err := ask.Close(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}
