package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"cube/worker/wire"
)

// TestManagerLeavesAStoreItCannotUseAlone: the real manager says what is wrong
// with it, in one sentence with the file's name, and touches nothing.
func TestManagerLeavesAStoreItCannotUseAlone(t *testing.T) {
	t.Parallel()
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	sound := t.TempDir()
	p := startCube(t, env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+sound)
	p.url()
	if _, said, code := cube(t, env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+sound); code != 1 || !strings.Contains(said, "in use by another process") {
		t.Errorf("a second manager: status %d, %s", code, said)
	}
	p.interrupt()
	whole, err := os.ReadFile(filepath.Join(sound, "manager.db"))
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(t.TempDir(), "newer.db")
	if err := os.WriteFile(newer, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	setSchema(t, newer, "99")
	later, err := os.ReadFile(newer)
	if err != nil {
		t.Fatal(err)
	}
	for says, text := range map[string][]byte{
		"corrupt":                bytes.Repeat([]byte("not a store\n"), 3000),
		" bytes of ":             whole[:3*os.Getpagesize()],
		"the schema version 99,": later,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "manager.db")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, said, code := cube(t, env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+dir)
		if code != 1 || !strings.Contains(said, says) || !strings.Contains(said, path) || strings.Contains(said, "goroutine") {
			t.Errorf("status %d, %s; want it to say %q of %s", code, said, says, path)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(text, after) {
			t.Errorf("%s: the file was changed (%v)", says, err)
		}
	}
}

func setSchema(t *testing.T, path, version string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte(version)) })
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestManagerOnAFullDisk: what does not fit is refused and says why; what was
// accepted is there after a crash; with room, it goes on by itself.
func TestManagerOnAFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	data := t.TempDir()
	if err := unix.Mount("tmpfs", data, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(data, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	start := func() *program {
		return startCube(t, env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+data)
	}
	m := start()
	submit := func(i int) (said string, code int) {
		_, said, code = cube(t, env, "run", "--manager="+m.url(), "--wait=0s", fmt.Sprintf("--name=task-%d", i), "--env=FILL="+strings.Repeat("x", 30_000), "--", "true")
		return said, code
	}
	accepted := 0
	for said, code := submit(0); ; said, code = submit(accepted) {
		if code != 0 {
			if !strings.Contains(said, "no space left") {
				t.Fatalf("it was refused: %s", said)
			}
			break
		}
		if accepted++; accepted > 100 {
			t.Fatal("the disk is never full")
		}
	}
	m.kill()
	m = start() // on the disk that is still full
	var tasks []wire.PlacedTask
	fromJSON(t, mustCube(t, env, "ps", "--manager="+m.url(), "--output=json"), &tasks)
	if len(tasks) != accepted || accepted == 0 {
		t.Errorf("%d tasks are there after a crash, %d were accepted", len(tasks), accepted)
	}
	if err := unix.Mount("tmpfs", data, "tmpfs", unix.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	if said, code := submit(accepted); code != 0 {
		t.Errorf("with room it is still refused: %s", said)
	}
}
