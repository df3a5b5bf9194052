package workertest

import (
	"encoding/json"
	"sync"

	"github.com/google/uuid"

	"cube/worker"
)

// Store is a worker.Store in memory. It keeps records as JSON, so that nothing
// is shared with the worker, as on a disk. All methods may be called at the same
// time.
type Store struct {
	mu      sync.Mutex // guards what follows
	records map[uuid.UUID][]byte
	fault   error
}

var _ worker.Store = (*Store)(nil)

// NewStore returns a store with these records.
func NewStore(records ...worker.Record) *Store {
	s := &Store{records: map[uuid.UUID][]byte{}}
	if err := s.Save(records...); err != nil {
		panic(err) // a record that is no JSON: a fault of the test
	}
	return s
}

// Break makes every write fail with err from now on; nil mends it.
func (s *Store) Break(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

// Load returns all records.
func (s *Store) Load() ([]worker.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var records []worker.Record
	for _, text := range s.records {
		var r worker.Record
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// Save writes records.
func (s *Store) Save(records ...worker.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return s.fault
	}
	for i := range records {
		text, err := json.Marshal(&records[i])
		if err != nil {
			return err
		}
		s.records[records[i].Task.ID] = text
	}
	return nil
}

// Delete removes records.
func (s *Store) Delete(ids ...uuid.UUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return s.fault
	}
	for _, id := range ids {
		delete(s.records, id)
	}
	return nil
}

// Close does nothing.
func (s *Store) Close() error { return nil }
