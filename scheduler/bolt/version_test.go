package bolt

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"cube/scheduler"
	"cube/scheduler/manager"
)

// madeDecision is one such as the scheduler makes.
func madeDecision(node string) *scheduler.Decision {
	known := scheduler.FigureOf
	candidate := scheduler.Candidate{Node: node, Score: 99.5, Components: []scheduler.Component{{Scorer: "epvm", Score: 99.5, Weight: 1}},
		Inputs: scheduler.Inputs{
			ReadingAge: known(1.5), CpuUsageRatio: known(0.25), CpuCores: known(8), CpuExpected: 2.25, CpuMean: 2.25, CpuLimit: 16,
			MemoryTotal: known(1 << 34), MemoryAvailable: known(1 << 33), MemoryExpected: 1 << 33, MemoryLimit: 1 << 34, Tasks: 3, Turn: 7,
		}}
	return &scheduler.Decision{
		Task: uuid.New(), Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Policy: "epvm", Seed: 9, Base: 2, Node: node,
		Candidates: []scheduler.Candidate{candidate}, Nodes: 2, Passed: 1,
		Refused: []scheduler.RefusalCount{{Code: scheduler.RefusedDown, Count: 1, Examples: []scheduler.Refusal{{Node: "lost", Code: scheduler.RefusedDown, Reason: "is down"}}}},
	}
}

func decisionOf(t *testing.T, s *Store, seq uint64) scheduler.Decision {
	t.Helper()
	d, found, err := s.Decision(seq)
	if err != nil || !found {
		t.Fatalf("the decision of %d: found %v, %v", seq, found, err)
	}
	return d
}

// A file of version 1 is read as it is, and not written to before there is
// something to write; with the first decision in the new form, it is one of
// version 2.
func TestFileOfVersionOneIsReadAndUpgraded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manager.db")
	task, old, young := record(1, "a"), madeDecision("node-1"), madeDecision("node-2")
	updateFile(t, path, func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{metaBucket, tasksBucket, decisionsBucket, nodesBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		for _, value := range []struct {
			bucket, key []byte
			of          any
		}{{metaBucket, versionKey, 1}, {tasksBucket, seqKey(1), task}, {decisionsBucket, seqKey(1), old}} {
			text, err := json.Marshal(value.of)
			if err != nil {
				return err
			}
			if err := tx.Bucket(value.bucket).Put(value.key, text); err != nil {
				return err
			}
		}
		return nil
	})
	store := open(t, path)
	if diff := cmp.Diff([]*manager.Record{task}, load(t, store).Tasks); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	if got := decisionOf(t, store, 1); !cmp.Equal(*old, got) {
		t.Errorf("the decision is %+v, want %+v", got, *old)
	}
	if version := versionOf(t, store); version != "1" {
		t.Errorf("reading made the version %s", version)
	}
	save(t, store, manager.Changes{Decisions: []manager.SeqDecision{{Seq: 2, Decision: young}}})
	if version := versionOf(t, store); version != "2" {
		t.Errorf("with a decision in the new form the version is %s", version)
	}
	for seq, want := range map[uint64]*scheduler.Decision{1: old, 2: young} {
		if got := decisionOf(t, store, seq); !cmp.Equal(*want, got) {
			t.Errorf("the decision %d is %+v, want %+v", seq, got, *want)
		}
	}
}

func versionOf(t *testing.T, s *Store) (version string) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		version = string(tx.Bucket(metaBucket).Get(versionKey))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestDamagedDecisionIsAnError(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "manager.db"))
	save(t, store, manager.Changes{Decisions: []manager.SeqDecision{{Seq: 1, Decision: madeDecision("node-1")}}})
	var whole []byte
	change := func(value []byte) {
		if err := store.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(decisionsBucket).Put(seqKey(1), value) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.db.View(func(tx *bbolt.Tx) error {
		whole = append(whole, tx.Bucket(decisionsBucket).Get(seqKey(1))...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, value := range [][]byte{{}, {0}, whole[:len(whole)/2], append(whole[:len(whole):len(whole)], 1), []byte("{\"Task\":")} {
		change(value)
		if d, _, err := store.Decision(1); err == nil {
			t.Errorf("of %d bytes %+v was read", len(value), d)
		}
	}
}
