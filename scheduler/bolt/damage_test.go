package bolt

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cube/scheduler/manager"
	"cube/worker/boltfile"
)

// Bytes that a disk has made of a store's: it is refused, or it opens, and then
// says what it cannot read or write. It never ends the process, never is changed
// by being refused, and never stays locked.
func TestFlippedBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manager.db")
	store := open(t, path)
	var changes manager.Changes
	for seq := range uint64(300) {
		changes.Tasks = append(changes.Tasks, record(seq+1, "a"))
		changes.Decisions = append(changes.Decisions, manager.SeqDecision{Seq: seq + 1, Decision: madeDecision("node-1")})
	}
	save(t, store, changes)
	save(t, store, manager.Changes{Forgotten: []uint64{3, 4, 5, 100, 200}}) // so that there are free pages
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pageSize := os.Getpagesize()
	random := rand.New(rand.NewPCG(4, 4))
	const tries = 3 // a page
	refused := 0
	for page := range len(whole) / pageSize {
		for range tries {
			text := bytes.Clone(whole)
			// Half of them in the page's header, where it hurts.
			for range 3 {
				text[page*pageSize+random.IntN(16)] ^= byte(1 << random.IntN(8))
				text[page*pageSize+random.IntN(pageSize)] ^= byte(1 << random.IntN(8))
			}
			write(t, path, text)
			if !tryDamaged(t, path) {
				refused++
				if after, err := os.ReadFile(path); err != nil || !bytes.Equal(text, after) {
					t.Fatalf("page %d: the file was changed by being refused (%v)", page, err)
				}
			}
		}
	}
	if refused < len(whole)/pageSize {
		t.Errorf("%d damaged files of %d were refused", refused, tries*len(whole)/pageSize)
	}
	write(t, path, whole) // the same file: a lock that was kept would show
	if n := len(load(t, open(t, path)).Tasks); n != 295 {
		t.Errorf("the whole file has %d tasks", n)
	}
}

// tryDamaged opens and uses a damaged store; false says that it was refused.
func tryDamaged(t *testing.T, path string) bool {
	t.Helper()
	store, err := Open(path, time.Second)
	if err != nil {
		if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "in use") {
			t.Errorf("the error is %v", err)
		}
		return false
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := store.Load(); err != nil {
		return false
	}
	var damaged boltfile.Damage
	for seq := uint64(1); seq < 300; seq += 7 {
		_, _, _ = store.Decision(seq) // an error or not, but no panic
	}
	if err := store.Save(manager.Changes{Tasks: []*manager.Record{record(301, "new")}}); err != nil && !errors.As(err, &damaged) {
		t.Errorf("writing to it: %v", err)
	}
	return true
}
