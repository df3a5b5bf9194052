package bolt

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"go.etcd.io/bbolt"

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
	const writers = 32
	errs := make(chan error, writers+1)
	save := func() { errs <- s.Save(record("x")) }

	// While one commit goes on, all others come together in the next.
	s.writing.Lock()
	go save()
	for range writers {
		go save()
	}
	for waiting := 0; waiting < writers+1; runtime.Gosched() {
		s.mu.Lock()
		if s.next != nil {
			waiting = len(s.next.changes)
		}
		s.mu.Unlock()
	}
	before := committed(t, s)
	s.writing.Unlock()
	for range writers + 1 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := committed(t, s) - before; n != 1 {
		t.Errorf("%d commits for %d writers who waited together; want 1", n, writers+1)
	}
	if got, err := s.Load(); err != nil || len(got) != writers+1 {
		t.Errorf("%d records, %v; want %d", len(got), err, writers+1)
	}
}

// committed is the number of the last commit.
func committed(t *testing.T, s *Store) (n int) {
	t.Helper()
	if err := s.db.View(func(tx *bbolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
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
