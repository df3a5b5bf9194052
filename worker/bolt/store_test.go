package bolt

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

func openAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func record(name string) worker.Record {
	code := 3
	return worker.Record{
		Task: task.Task{
			ID: uuid.New(), Name: name, State: task.Failed, Command: []string{"serve"}, Env: []string{"SECRET=1"},
			Cpu: 0.5, Memory: 64 << 20, Allocation: 7, RestartCount: 2, ExitCode: &code,
			HealthCheck: &task.HealthCheck{HTTP: "/", Interval: task.Duration(250 * time.Millisecond)},
			StartTime:   time.Unix(1_700_000_000, 5).UTC(), FinishTime: time.Unix(1_700_000_100, 0).UTC(),
		},
		Wanted: task.Running, Events: map[uuid.UUID]string{uuid.New(): "digest"},
		Fence: 6, Unhealthy: "no", Backoff: 400 * time.Millisecond, Tombstone: true, Updated: time.Unix(1_700_000_200, 0).UTC(),
	}
}

var byID = cmpopts.SortSlices(func(a, b worker.Record) bool { return a.Task.ID.String() < b.Task.ID.String() })

func TestRecordsSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.db")
	s := openAt(t, path)
	a, b, c := record("a"), record("b"), record("c")
	if err := s.Save(a, b, c); err != nil {
		t.Fatal(err)
	}
	a.Task.State = task.Scheduled
	if err := s.Save(a); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(b.Task.ID, uuid.New()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := s.Load()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]worker.Record{a, c}, got, byID); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openAt(t, path)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600: secrets are in it", info.Mode(), err)
	}
}

func TestWritesAtTheSameTimeShareCommits(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "worker.db"))
	stats := s.db.Stats()
	before := stats.TxStats.GetWrite()
	const writers, each = 32, 8
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				if err := s.Save(record("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	got, err := s.Load()
	if err != nil || len(got) != writers*each {
		t.Fatalf("%d records, %v; want %d", len(got), err, writers*each)
	}
	stats = s.db.Stats()
	if commits := stats.TxN; commits >= writers*each {
		t.Logf("transactions: %d", commits)
	}
	if after := stats.TxStats.GetWrite(); after == before {
		t.Error("no write was counted")
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "worker.db"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(record("late")); err == nil {
		t.Error("a closed store took a record")
	}
}
