package process

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// fifo makes a named pipe "fifo" in the directory: a task that reads from it
// waits until the test writes.
func fifo(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
