package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"cube/worker"
)

// filled returns the bytes of a file with some hundred records on several
// levels of pages, some of them freed, and those records.
func filled(t *testing.T) ([]byte, []worker.Record) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker.db")
	s := openAt(t, path)
	records := make([]worker.Record, 200)
	for i := range records {
		records[i] = record(fmt.Sprint("task-", i))
	}
	for _, batch := range [][]worker.Record{records, records[:50]} {
		if err := s.Save(batch...); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range records[150:] {
		if err := s.Delete(r.Task.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, records[:150]
}

// mustRefuse opens a file that cannot be used, and makes sure that it is left
// as it is, with its lock free.
func mustRefuse(t *testing.T, path string, says ...string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := Open(path, 0)
		if err == nil {
			_ = s.Close()
			t.Fatal("it was opened")
		}
		if inUse := strings.Contains(err.Error(), "in use"); errors.Is(err, ErrUnusable) == inUse {
			t.Errorf("%v is ErrUnusable: %v", err, !inUse)
		}
		for _, text := range append(says, path) {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("it says %q; want %q in it", err, text)
			}
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, %v", err)
	}
}

func TestUnusableFilesAreLeftAlone(t *testing.T) {
	data, _ := filled(t)
	edit := func(change func(tx *bbolt.Tx) error) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err == nil {
				err = errors.Join(db.Update(change), db.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(content []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		spoil func(t *testing.T, path string)
		says  []string
	}{
		"text":          {write([]byte(strings.Repeat("not a database\n", 5000))), []string{"damaged", "left as it is"}},
		"zeros":         {write(make([]byte, len(data))), []string{"damaged"}},
		"a few bytes":   {write(data[:100]), []string{"damaged"}},
		"half the file": {write(data[:len(data)/2]), []string{"damaged"}},
		"cut in a page": {write(data[:len(data)*2/3+17]), []string{"damaged"}},
		"newer": {
			edit(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(schemaKey, []byte("2")) }),
			[]string{"was written by a newer version (schema 2; this one reads up to 1)", "left as it is"},
		},
		"schema of nothing": {
			edit(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(schemaKey, []byte("x")) }), []string{"damaged"},
		},
		"another program's": {
			edit(func(tx *bbolt.Tx) error {
				if err := errors.Join(tx.DeleteBucket(metaBucket), tx.DeleteBucket(tasksBucket)); err != nil {
					return err
				}
				_, err := tx.CreateBucket([]byte("blobs"))
				return err
			}),
			[]string{"belongs to another program"},
		},
		"half of it missing": {edit(func(tx *bbolt.Tx) error { return tx.DeleteBucket(tasksBucket) }), []string{"a part of it is missing"}},
		"a record of garbage": {
			edit(func(tx *bbolt.Tx) error { return tx.Bucket(tasksBucket).Put(make([]byte, 16), []byte("garbage")) }),
			[]string{"the record of task 00000000-0000-0000-0000-000000000000", "checksum"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "worker.db")
			write(data)(t, path)
			test.spoil(t, path)
			mustRefuse(t, path, test.says...)
		})
	}
}

// texts has each record as it is stored: quick to compare.
func texts(t *testing.T, records []worker.Record) map[uuid.UUID]string {
	t.Helper()
	texts := make(map[uuid.UUID]string, len(records))
	for i := range records {
		text, err := encode(&records[i])
		if err != nil {
			t.Fatal(err)
		}
		texts[records[i].Task.ID] = string(text)
	}
	return texts
}

// A bit that is flipped anywhere is found, or is where nothing is kept: never is
// a record lost or changed in silence.
func TestFlippedBits(t *testing.T) {
	data, want := filled(t)
	wantTexts := texts(t, want)
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "worker.db")
	found := 0
	const flips = 150
	for range flips {
		spoiled := bytes.Clone(data)
		at, bit := random.IntN(len(data)), random.IntN(8)
		spoiled[at] ^= 1 << bit
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, 0)
		if err != nil {
			found++
			continue
		}
		got, err := s.Load()
		if err != nil || !maps.Equal(texts(t, got), wantTexts) {
			t.Errorf("byte %d, bit %d: %v, records (-want +got):\n%s", at, bit, err, cmp.Diff(want, got, byID))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if found == 0 || found == flips {
		t.Errorf("%d of %d were found: the test tests nothing", found, flips)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.db")
	first := openAt(t, path)
	r := record("kept")
	if err := first.Save(r); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, path, "in use by another process")
	if got, err := first.Load(); err != nil || len(got) != 1 {
		t.Errorf("the first one has %v, %v", got, err)
	}
}

func TestPlacesThatCannotBeWritten(t *testing.T) {
	directory := t.TempDir()
	plain := filepath.Join(directory, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"missing directory": filepath.Join(directory, "missing", "worker.db"),
		"a directory":       directory,
		"below a file":      filepath.Join(plain, "worker.db"),
		"a kernel's":        "/proc/self/worker.db",
	} {
		if _, err := Open(path, 0); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want an error that names %s", name, err, path)
		}
	}
}

// On a full disk a write fails, says so, and takes nothing with it.
func TestFullDisk(t *testing.T) {
	directory := t.TempDir()
	if err := unix.Mount("tmpfs", directory, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("needs root to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(directory, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(directory, "worker.db")
	s := openAt(t, path)
	var want []worker.Record
	var full error
	for full == nil && len(want) < 10_000 {
		r := record("x")
		if full = s.Save(r); full == nil {
			want = append(want, r)
		}
	}
	if !errors.Is(full, unix.ENOSPC) || !strings.Contains(full.Error(), path) {
		t.Fatalf("after %d records: %v; want that the disk is full, and the file's name", len(want), full)
	}
	compare := func() {
		t.Helper()
		got, err := s.Load()
		if diff := cmp.Diff(want, got, byID); err != nil || diff != "" {
			t.Errorf("%v, records (-want +got):\n%s", err, diff)
		}
	}
	compare()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path)
	compare()
	// There is room again.
	if err := unix.Mount("", directory, "tmpfs", unix.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	r := record("later")
	if err := s.Save(r); err != nil {
		t.Fatal(err)
	}
	want = append(want, r)
	compare()
}

func TestOpenWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.db")
	first := openAt(t, path)
	opened := make(chan error)
	go func() {
		second, err := Open(path, time.Minute)
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("after the first one has closed: %v", err)
	}
}
