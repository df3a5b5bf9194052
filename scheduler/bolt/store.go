package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"go.etcd.io/bbolt"

	"cube/scheduler"
	"cube/scheduler/manager"
	"cube/worker/boltfile"
)

// schemaVersion is the version this package writes and the newest it reads. In
// version 1, decisions were JSON; they are still read, and a file of that
// version becomes one of this with the first decision that is added.
const schemaVersion = 2

var (
	metaBucket      = []byte("meta")
	tasksBucket     = []byte("tasks")
	decisionsBucket = []byte("decisions")
	nodesBucket     = []byte("nodes")

	versionKey = []byte("schema")
)

// Store is a manager.Store in one file. Its methods may be called at the same
// time.
type Store struct {
	db *bbolt.DB
}

var _ manager.Store = (*Store)(nil)

// checkSchema refuses what this program does not know. A file without anything
// in it is one whose creation was cut short.
func checkSchema(tx *bbolt.Tx) error {
	if key, _ := tx.Cursor().First(); key == nil {
		return nil
	}
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return errors.New("is a bbolt file, but not one of a manager")
	}
	var version uint64
	if err := json.Unmarshal(meta.Get(versionKey), &version); err != nil {
		return fmt.Errorf("has a schema version that cannot be read: %w", err)
	}
	if version > schemaVersion {
		return fmt.Errorf("has the schema version %d, newer than the %d that this program knows; nothing was changed", version, schemaVersion)
	}
	return nil
}

// prepare creates the buckets of a fresh file. Any other is not written to, so
// that a manager can start on a full disk.
func prepare(db *bbolt.DB) error {
	fresh := false
	err := boltfile.View(db, func(tx *bbolt.Tx) error {
		fresh = tx.Bucket(metaBucket) == nil
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	return boltfile.Update(db, create)
}

func create(tx *bbolt.Tx) error {
	for _, name := range [][]byte{metaBucket, tasksBucket, decisionsBucket, nodesBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return put(tx.Bucket(metaBucket), versionKey, schemaVersion)
}

// Save implements manager.Store. It must not be given two versions of a thing
// that are meant to hold side by side: the later one holds.
func (s *Store) Save(c manager.Changes) error {
	return boltfile.Update(s.db, func(tx *bbolt.Tx) error {
		tasks, decisions, nodes := tx.Bucket(tasksBucket), tx.Bucket(decisionsBucket), tx.Bucket(nodesBucket)
		// Keys come in growing order: pages can be filled.
		tasks.FillPercent, decisions.FillPercent = 0.9, 0.9
		if err := saveTasks(tasks, c.Tasks); err != nil {
			return err
		}
		if err := saveDecisions(tx, decisions, c.Decisions); err != nil {
			return err
		}
		for _, seq := range c.Forgotten {
			if err := errors.Join(tasks.Delete(seqKey(seq)), decisions.Delete(seqKey(seq))); err != nil {
				return err
			}
		}
		return saveNodes(nodes, c.Nodes)
	})
}

// saveTasks writes records. Values lie side by side, and stay where they are
// until the transaction has ended, as bbolt wants it.
func saveTasks(bucket *bbolt.Bucket, records []*manager.Record) error {
	const usual = 448 // bytes of a record
	text := make([]byte, 0, usual*len(records))
	for _, record := range records {
		var err error
		begin := len(text)
		if text, err = appendRecord(text, record); err != nil {
			return err
		}
		if err := bucket.Put(seqKey(record.Seq), text[begin:len(text):len(text)]); err != nil {
			return err
		}
	}
	return nil
}

func saveDecisions(tx *bbolt.Tx, bucket *bbolt.Bucket, decisions []manager.SeqDecision) error {
	if len(decisions) == 0 {
		return nil
	}
	if err := upgrade(tx.Bucket(metaBucket)); err != nil {
		return err
	}
	for _, d := range decisions {
		value, err := d.Decision.MarshalBinary()
		if err != nil {
			return err
		}
		if err := bucket.Put(seqKey(d.Seq), value); err != nil {
			return err
		}
	}
	return nil
}

// upgrade has an older program refuse the file from now on.
func upgrade(meta *bbolt.Bucket) error {
	if string(meta.Get(versionKey)) == strconv.Itoa(schemaVersion) {
		return nil
	}
	return put(meta, versionKey, schemaVersion)
}

// readDecision reads a decision in the form of any version.
func readDecision(value []byte, into *scheduler.Decision) error {
	if bytes.HasPrefix(value, []byte("{")) {
		return json.Unmarshal(value, into) // version 1
	}
	return into.UnmarshalBinary(value)
}

func saveNodes(bucket *bbolt.Bucket, nodes []manager.NodeRecord) error {
	for i := range nodes {
		key := []byte(nodes[i].Name)
		if nodes[i].Removed {
			if err := bucket.Delete(key); err != nil {
				return err
			}
			continue
		}
		if err := put(bucket, key, &nodes[i]); err != nil {
			return err
		}
	}
	return nil
}

// Decision implements manager.Store.
func (s *Store) Decision(seq uint64) (scheduler.Decision, bool, error) {
	var decision scheduler.Decision
	found := false
	err := boltfile.View(s.db, func(tx *bbolt.Tx) error {
		value := tx.Bucket(decisionsBucket).Get(seqKey(seq))
		if value == nil {
			return nil
		}
		found = true
		return readDecision(value, &decision)
	})
	if err != nil {
		return scheduler.Decision{}, false, fmt.Errorf("a decision in the store %s cannot be read: %w", s.db.Path(), err)
	}
	return decision, found, nil
}

// Backup implements manager.Store.
func (s *Store) Backup(w io.Writer) (int64, error) {
	var written int64
	err := s.db.View(func(tx *bbolt.Tx) error {
		var err error
		written, err = tx.WriteTo(w)
		return err
	})
	if err != nil {
		return written, fmt.Errorf("the backup of the store %s broke off: %w", s.db.Path(), err)
	}
	return written, nil
}

// Close implements manager.Store.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("the store %s: %w", s.db.Path(), err)
	}
	return nil
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func put(bucket *bbolt.Bucket, key []byte, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return bucket.Put(key, value)
}
