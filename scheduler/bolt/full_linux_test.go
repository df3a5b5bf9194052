package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cube/scheduler/manager"
)

// A full disk fails the transaction that does not fit, and nothing before it.
func TestFullDiskFailsASaveAndLosesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "manager.db")
	store := open(t, path)
	written := 0
	for {
		err := store.Save(manager.Changes{Tasks: []*manager.Record{record(uint64(written+1), "a")}})
		if err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("the error is %v", err)
			}
			break
		}
		if written++; written > 10_000 {
			t.Fatal("the disk is never full")
		}
	}
	if n := len(load(t, store).Tasks); n != written || n == 0 {
		t.Errorf("%d tasks are there, %d were saved", n, written)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	// A store on a disk that is still full can be opened and read.
	if n := len(load(t, open(t, path)).Tasks); n != written {
		t.Errorf("%d tasks are there after opening it again, %d were saved", n, written)
	}
}
