package bolt

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"cube/worker"
	"cube/worker/boltfile"
)

// Store is a worker's state in a bbolt file. All methods but Close may be called
// at the same time.
type Store struct {
	db *bbolt.DB

	writing sync.Mutex // held through a commit: one at a time

	mu   sync.Mutex // guards next
	next *batch     // what the next commit will write; nil: nothing yet
}

var _ worker.Store = (*Store)(nil)

// batch is what one commit writes: all that has come in while the one before it
// went on, so that calls at the same time share its fsyncs and none waits for
// company.
type batch struct {
	changes []change
	done    chan struct{} // closed once err is set
	err     error
}

// change sets a key of the tasks' bucket, or deletes it where value is nil.
type change struct {
	key, value []byte
}

// Load returns all records there are. A record that cannot be read is an error:
// a task is not forgotten in silence.
func (s *Store) Load() ([]worker.Record, error) {
	var records []worker.Record
	err := boltfile.View(s.db, func(tx *bbolt.Tx) error {
		return tx.Bucket(tasksBucket).ForEach(func(key, value []byte) error {
			r, err := decode(key, value)
			if err != nil {
				return fmt.Errorf("%s: the record of task %s %w", s.db.Path(), keyText(key), err)
			}
			records = append(records, r)
			return nil
		})
	})
	return records, err
}

// Save writes the records, all or none, and returns once they are on disk.
func (s *Store) Save(records ...worker.Record) error {
	changes := make([]change, len(records))
	for i := range records {
		value, err := encode(&records[i])
		if err != nil {
			return fmt.Errorf("the record of task %s: %w", records[i].Task.ID, err)
		}
		changes[i] = change{key: records[i].Task.ID[:], value: value}
	}
	return s.commit(changes)
}

// Delete removes the records of these tasks, all or none, and returns once that
// is on disk. A task without a record is no error.
func (s *Store) Delete(ids ...uuid.UUID) error {
	changes := make([]change, len(ids))
	for i := range ids {
		changes[i] = change{key: ids[i][:]}
	}
	return s.commit(changes)
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// commit has the changes written with the next commit. Who begins a batch waits
// for the commit before it to end, and then writes what has come together.
func (s *Store) commit(changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	s.mu.Lock()
	b := s.next
	leads := b == nil
	if leads {
		b = &batch{done: make(chan struct{})}
		s.next = b
	}
	b.changes = append(b.changes, changes...)
	s.mu.Unlock()

	if leads {
		s.writing.Lock()
		s.mu.Lock()
		s.next = nil
		s.mu.Unlock()
		b.err = s.write(b.changes)
		s.writing.Unlock()
		close(b.done)
	}
	<-b.done
	return b.err
}

func (s *Store) write(changes []change) error {
	err := boltfile.Update(s.db, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(tasksBucket)
		for _, c := range changes {
			if c.value == nil {
				if err := bucket.Delete(c.key); err != nil {
					return err
				}
			} else if err := bucket.Put(c.key, c.value); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return fmt.Errorf("%s is closed", s.db.Path())
	case err != nil:
		return fmt.Errorf("%s cannot be written: %w", s.db.Path(), err)
	}
	return nil
}
