package bolt

import (
	"encoding/json"
	"fmt"
	"runtime"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"cube/scheduler/manager"
	"cube/worker/boltfile"
)

// Load implements manager.Store.
func (s *Store) Load() (manager.Snapshot, error) {
	var snapshot manager.Snapshot
	err := boltfile.View(s.db, func(tx *bbolt.Tx) error {
		var err error
		if snapshot.Tasks, err = loadTasks(tx.Bucket(tasksBucket)); err != nil {
			return err
		}
		snapshot.Nodes, err = loadNodes(tx.Bucket(nodesBucket))
		return err
	})
	if err != nil {
		return manager.Snapshot{}, useError(s.db.Path(), err)
	}
	return snapshot, nil
}

// stored is a key with its value, in the file's map.
type stored struct{ key, value []byte }

// loadTasks reads all tasks in the order of their keys, on all cores.
func loadTasks(bucket *bbolt.Bucket) ([]*manager.Record, error) {
	var all []stored
	err := bucket.ForEach(func(key, value []byte) error {
		all = append(all, stored{key, value})
		return nil
	})
	if err != nil {
		return nil, err
	}
	records := make([]*manager.Record, len(all))
	var group errgroup.Group
	parts := runtime.GOMAXPROCS(0)
	for i := range parts {
		from, to := i*len(all)/parts, (i+1)*len(all)/parts
		group.Go(func() error {
			return boltfile.Read(func() error { return readRecords(all[from:to], records[from:to]) })
		})
	}
	return records, group.Wait()
}

func readRecords(all []stored, into []*manager.Record) error {
	for i := range all {
		into[i] = new(manager.Record)
		if err := readRecord(all[i].value, into[i]); err != nil {
			return fmt.Errorf("is corrupt: the task at %x cannot be read: %w", all[i].key, err)
		}
	}
	return nil
}

func loadNodes(bucket *bbolt.Bucket) ([]manager.NodeRecord, error) {
	var nodes []manager.NodeRecord
	err := bucket.ForEach(func(key, value []byte) error {
		var record manager.NodeRecord
		if err := json.Unmarshal(value, &record); err != nil {
			return fmt.Errorf("is corrupt: the node %q cannot be read: %w", key, err)
		}
		nodes = append(nodes, record)
		return nil
	})
	return nodes, err
}
