package collector

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A file system that is mounted or unmounted while the collector runs is on the
// next page, and off the one after.
func TestRealMountsComeAndGo(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	c, err := New(Config{DataRoot: "/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	measured := func(point string) bool {
		t.Helper()
		mounts, paths, err := c.mounts.read()
		if err != nil || len(paths) != len(mounts)+1 {
			t.Fatalf("%d mounts, %d paths, %v", len(mounts), len(paths), err)
		}
		return slices.ContainsFunc(mounts, func(m mount) bool { return m.point == point })
	}
	dir := filepath.Join(t.TempDir(), "with space")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.mounts.cfg.FSTypesExclude = c.mounts.cfg.MountPointsExclude // tmpfs counts for once
	for range 2 {
		if measured(dir) {
			t.Fatal("measured before it is mounted")
		}
		if err := unix.Mount("cube-test", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Skipf("this machine cannot mount a tmpfs: %v", err)
		}
		seen := measured(dir)
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		if !seen {
			t.Fatal("not measured though mounted")
		}
	}
}
