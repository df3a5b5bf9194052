package collector

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// recorded is a machine's tree in testdata.
const recorded = "testdata/machine/proc"

// disks answers statfs for the recorded machine: sizes in blocks of 4 KiB.
func disks(path string, buf *unix.Statfs_t) error {
	sizes := map[string]unix.Statfs_t{
		"/":                 {Bsize: 1 << 20, Frsize: 4096, Blocks: 1000, Bfree: 400, Bavail: 350, Files: 100, Ffree: 60},
		"/data":             {Bsize: 4096, Frsize: 4096, Blocks: 1000, Bfree: 400, Bavail: 350, Files: 100, Ffree: 60},
		"/run":              {Bsize: 4096, Frsize: 4096, Blocks: 50, Bfree: 40, Bavail: 40, Files: 10, Ffree: 5},
		"/srv/my data\tx":   {Bsize: 4096, Blocks: 2000, Bfree: 1000, Bavail: 1000},
		"/mnt/größe":        {Bsize: 4096, Frsize: 4096, Blocks: 10, Bfree: 5, Bavail: 5},
		"/mnt/backup":       {Bsize: 4096, Frsize: 4096, Blocks: 7, Bfree: 0, Bavail: 0},
		"/var/lib/docker/x": {Bsize: 4096, Frsize: 4096, Blocks: 1, Bfree: 1, Bavail: 1},
	}
	found, ok := sizes[path]
	if !ok {
		return unix.EIO
	}
	*buf = found
	return nil
}

// copyMachine copies the recorded tree, for a test that changes it, and returns
// its proc directory.
func copyMachine(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(recorded)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newCollector(t testing.TB, cfg Config) *Collector {
	t.Helper()
	if cfg.ProcPath == "" {
		cfg.ProcPath = recorded
	}
	if cfg.Statfs == nil {
		cfg.Statfs = disks
	}
	if cfg.DataRoot == "" {
		cfg.DataRoot = "/data"
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func writeFile(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withStat returns the recorded /proc/stat with other times on its first line.
func withStat(t testing.TB, first string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recorded, "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	return first + "\n" + rest
}

// treeWith copies the recorded tree with another text in one file.
func treeWith(t testing.TB, name, text string) string {
	t.Helper()
	dir := copyMachine(t)
	writeFile(t, dir, name, text)
	return dir
}

// largeStat is the /proc/stat of a machine of that many CPUs and interrupts.
func largeStat(cpus, interrupts int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "cpu  %d 2560 512000 99999999 25600 0 5120 768 256 %d\n", 12800000, 7)
	for i := range cpus {
		fmt.Fprintf(&text, "cpu%d 50000 10 2000 390625 100 0 20 3 1 0\n", i)
	}
	text.WriteString("intr 123456789" + strings.Repeat(" 4321", interrupts) + "\n")
	text.WriteString("ctxt 1\nbtime 1700000000\nprocesses 1\nprocs_running 1\nprocs_blocked 0\nsoftirq 55 1 2 3 4 5 6 7 8 9 10\n")
	return text.String()
}
