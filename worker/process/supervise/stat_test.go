package supervise

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStatOfAProcessWithAnUnlikelyName(t *testing.T) {
	was, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/comm", []byte("a) Z 1 (b"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile("/proc/self/comm", was, 0) })
	stat, err := ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	session, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	if stat.PID != os.Getpid() || stat.PPID != os.Getppid() || stat.Session != session || stat.Zombie || stat.Start == 0 {
		t.Errorf("read %+v; want parent %d, session %d", stat, os.Getppid(), session)
	}
	p, err := stat.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	stat.Start++ // another process, of the same number
	if _, err := stat.Open(); err == nil {
		t.Error("another process was opened")
	}
}
