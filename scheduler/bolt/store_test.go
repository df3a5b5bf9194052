package bolt

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"cube/scheduler"
	"cube/scheduler/manager"
	"cube/worker/task"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	store, err := Open(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func load(t *testing.T, s *Store) manager.Snapshot {
	t.Helper()
	snapshot, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func record(seq uint64, name string) *manager.Record {
	code := 3
	return &manager.Record{
		Seq: seq, Node: "node-1", StopRequested: true,
		SubmitTime: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), PlaceTime: time.Date(2026, 1, 2, 3, 4, 6, 7, time.UTC),
		Task: task.Task{
			ID: uuid.New(), Name: name, State: task.Failed, Command: []string{"true"}, Env: []string{"KEY=secret"},
			Cpu: 0.5, Memory: 1 << 30, Allocation: 1<<63 + 1, ExitCode: &code,
			HealthCheck: &task.HealthCheck{TCP: true, Port: "80"},
		},
	}
}

func TestStoreKeepsEverythingThroughAReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manager.db")
	store := open(t, path)
	want := manager.Snapshot{
		Tasks: []*manager.Record{record(1, "a"), record(2, "b"), record(300, "c")},
		Nodes: []manager.NodeRecord{
			{Name: "node-1", URL: "http://a:1", Labels: map[string]string{"zone": "a"}},
			{Name: "node-2", URL: "http://b:1", Draining: true, Origin: manager.OriginFile},
		},
	}
	decision := scheduler.Decision{Task: want.Tasks[1].Task.ID, Policy: "epvm", Node: "node-1", Base: 2,
		Candidates: []scheduler.Candidate{{Node: "node-1", Score: 99.5, Inputs: scheduler.Inputs{CpuUsageRatio: scheduler.FigureOf(0.25)}}}}
	save(t, store, manager.Changes{
		Tasks:     []*manager.Record{want.Tasks[2], want.Tasks[0], want.Tasks[1]},
		Nodes:     want.Nodes,
		Decisions: []manager.SeqDecision{{Seq: 2, Decision: &decision}},
	})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = open(t, path)
	if diff := cmp.Diff(want, load(t, store)); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
	got, found, err := store.Decision(2)
	if err != nil || !found || !cmp.Equal(decision, got) {
		t.Errorf("the decision is %+v, %v, %v", got, found, err)
	}
	if _, found, err := store.Decision(1); found || err != nil {
		t.Errorf("a decision that was never made: %v, %v", found, err)
	}
}

func save(t *testing.T, s *Store, c manager.Changes) {
	t.Helper()
	if err := s.Save(c); err != nil {
		t.Fatal(err)
	}
}

func TestLaterChangesHold(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "manager.db"))
	old, now := record(1, "old"), record(1, "new")
	node := manager.NodeRecord{Name: "node-1", URL: "http://a:1"}
	gone := node
	gone.Removed = true
	save(t, store, manager.Changes{Tasks: []*manager.Record{old, now, record(2, "b")},
		Decisions: []manager.SeqDecision{{Seq: 2, Decision: &scheduler.Decision{}}},
		Nodes:     []manager.NodeRecord{gone, node}})
	save(t, store, manager.Changes{Forgotten: []uint64{2, 99}})
	snapshot := load(t, store)
	if len(snapshot.Tasks) != 1 || snapshot.Tasks[0].Task.Name != "new" {
		t.Errorf("tasks are %+v", snapshot.Tasks)
	}
	if len(snapshot.Nodes) != 1 {
		t.Errorf("nodes are %+v", snapshot.Nodes)
	}
	if _, found, _ := store.Decision(2); found {
		t.Error("the decision outlived its task")
	}
	save(t, store, manager.Changes{Nodes: []manager.NodeRecord{node, gone}})
	if nodes := load(t, store).Nodes; len(nodes) != 0 {
		t.Errorf("a removed node is there: %+v", nodes)
	}
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manager.db")
	open(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the mode is %o", mode)
	}
}

// What cannot be used is refused with a sentence, and not a byte of it changes.
func TestOpenRefuses(t *testing.T) {
	whole := func(t *testing.T, path string) []byte {
		store := open(t, path)
		for seq := range uint64(200) {
			save(t, store, manager.Changes{Tasks: []*manager.Record{record(seq+1, "a")}})
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	cases := []struct {
		name string
		make func(t *testing.T, path string)
		says string
	}{
		{"text", func(t *testing.T, path string) {
			write(t, path, bytes.Repeat([]byte("not a store\n"), 2000))
		}, "corrupt, or no store at all"},
		{"overwritten", func(t *testing.T, path string) {
			text := whole(t, path)
			copy(text, make([]byte, 2*os.Getpagesize()))
			write(t, path, text)
		}, "corrupt, or no store at all"},
		{"cut off", func(t *testing.T, path string) {
			text := whole(t, path)
			write(t, path, text[:len(text)/4])
		}, "corrupt"},
		{"foreign", func(t *testing.T, path string) {
			updateFile(t, path, func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket([]byte("other"))
				return err
			})
		}, "not one of a manager"},
		{"newer", func(t *testing.T, path string) {
			whole(t, path)
			updateFile(t, path, func(tx *bbolt.Tx) error {
				return tx.Bucket(metaBucket).Put(versionKey, fmt.Append(nil, schemaVersion+1))
			})
		}, fmt.Sprintf("newer than the %d", schemaVersion)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "manager.db")
			c.make(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			store, err := Open(path, time.Second)
			if err == nil {
				_ = store.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("the error %q does not say %q, or not of which file", err, c.says)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func updateFile(t *testing.T, path string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(change); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesAStoreInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manager.db")
	open(t, path)
	_, err := Open(path, 10*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("the error is %v", err)
	}
}

func TestBackupIsAWholeStore(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "manager.db"))
	want := record(1, "a")
	save(t, store, manager.Changes{Tasks: []*manager.Record{want}})
	var copied bytes.Buffer
	written, err := store.Backup(&copied)
	if err != nil || written != int64(copied.Len()) {
		t.Fatalf("%d bytes of %d, %v", written, copied.Len(), err)
	}
	save(t, store, manager.Changes{Tasks: []*manager.Record{record(2, "later")}})
	path := filepath.Join(t.TempDir(), "copy.db")
	write(t, path, copied.Bytes())
	if diff := cmp.Diff([]*manager.Record{want}, load(t, open(t, path)).Tasks); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}
