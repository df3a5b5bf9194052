package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine is a recorded /proc tree of another machine, moved on in step with
// real time.
type machine struct {
	proc       string
	cpus       int
	busy       float64 // share of its CPU time, 0–1
	memory     uint64  // bytes
	memoryFree uint64  // bytes available
}

// newMachine writes the tree and keeps it moving until the test ends.
func newMachine(t *testing.T, m machine) *machine {
	t.Helper()
	m.proc = t.TempDir()
	files := map[string]string{
		"loadavg":  "0.50 0.40 0.30 1/123 4567\n",
		"meminfo":  m.meminfo(),
		"stat":     m.stat(0),
		"sys/.dir": "",
		// Only the root, so that this machine's real disk is measured.
		"1/mountinfo":     "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n",
		"self/mountinfo":  "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n",
		"pressure/cpu":    "some avg10=1.00 avg60=1.00 avg300=1.00 total=1000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"pressure/io":     "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	}
	for name, text := range files {
		path := filepath.Join(m.proc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	moved := make(chan error, 1)
	go func() { moved <- m.move(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-moved; err != nil {
			t.Errorf("moving the recorded machine on: %v", err)
		}
	})
	return &m
}

// move writes /proc/stat anew 20 times a second, each time a new file renamed
// into place, so that no reader sees half of one.
func (m *machine) move(ctx context.Context) error {
	start := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	path := filepath.Join(m.proc, "stat")
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := os.WriteFile(path+".new", []byte(m.stat(time.Since(start))), 0o644); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
}

// stat is /proc/stat so long after the recording began, in ticks of 10 ms.
func (m *machine) stat(elapsed time.Duration) string {
	var text strings.Builder
	ticks := elapsed.Seconds() * 100
	line := func(name string, share float64) {
		user := 10000 + ticks*share*m.busy
		idle := 50000 + ticks*share*(1-m.busy)
		fmt.Fprintf(&text, "%s %.0f 0 0 %.0f 0 0 0 0 0 0\n", name, user, idle)
	}
	line("cpu ", float64(m.cpus))
	for i := range m.cpus {
		line(fmt.Sprintf("cpu%d", i), 1)
	}
	text.WriteString("intr 1000 1 2 3\nctxt 1000\nbtime 1700000000\nprocesses 4567\nprocs_running 1\nprocs_blocked 0\nsoftirq 10 0 1 2 3 4 0 0 0 0 0\n")
	return text.String()
}

func (m *machine) meminfo() string {
	return fmt.Sprintf("MemTotal:       %d kB\nMemFree:        %d kB\nMemAvailable:   %d kB\nBuffers:        1000 kB\nCached:         2000 kB\nSwapTotal:      0 kB\nSwapFree:       0 kB\n",
		m.memory>>10, m.memoryFree>>11, m.memoryFree>>10)
}
