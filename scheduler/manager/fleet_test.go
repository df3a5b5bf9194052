package manager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/scheduler/scrape"
	"cube/worker/task"
	"cube/worker/wire"
)

// memStore is a Store in memory. Values go through JSON, as on disk.
type memStore struct {
	mu        sync.Mutex
	tasks     map[uint64][]byte
	decisions map[uint64][]byte
	nodes     map[string][]byte
	saves     int
	delay     time.Duration      // of a Save
	full      bool               // a Save fails
	refuses   func(Changes) bool // a Save fails of which this is true
}

func newMemStore() *memStore {
	return &memStore{tasks: map[uint64][]byte{}, decisions: map[uint64][]byte{}, nodes: map[string][]byte{}}
}

var errFull = errors.New("no space left on device")

func (s *memStore) Load() (Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var snapshot Snapshot
	for _, text := range s.tasks {
		record := new(Record)
		if err := json.Unmarshal(text, record); err != nil {
			return snapshot, err
		}
		snapshot.Tasks = append(snapshot.Tasks, record)
	}
	slices.SortFunc(snapshot.Tasks, func(a, b *Record) int { return int(a.Seq) - int(b.Seq) })
	for _, text := range s.nodes {
		var record NodeRecord
		if err := json.Unmarshal(text, &record); err != nil {
			return snapshot, err
		}
		snapshot.Nodes = append(snapshot.Nodes, record)
	}
	return snapshot, nil
}

func (s *memStore) Save(c Changes) error {
	s.mu.Lock()
	delay := s.delay
	s.mu.Unlock()
	<-time.After(delay) // fake time: how long a disk takes
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full || (s.refuses != nil && s.refuses(c)) {
		return errFull
	}
	s.saves++
	for _, record := range c.Tasks {
		s.tasks[record.Seq] = encode(record)
	}
	for _, d := range c.Decisions {
		stored, err := d.Decision.MarshalBinary()
		if err != nil {
			return err
		}
		s.decisions[d.Seq] = stored
	}
	for _, seq := range c.Forgotten {
		delete(s.tasks, seq)
		delete(s.decisions, seq)
	}
	for i := range c.Nodes {
		if c.Nodes[i].Removed {
			delete(s.nodes, c.Nodes[i].Name)
			continue
		}
		s.nodes[c.Nodes[i].Name] = encode(&c.Nodes[i])
	}
	return nil
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func (s *memStore) Decision(seq uint64) (d scheduler.Decision, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.decisions[seq]
	if !found {
		return d, false, nil
	}
	return d, true, d.UnmarshalBinary(stored)
}

func (s *memStore) Backup(w io.Writer) (int64, error) { return io.Copy(w, strings.NewReader("copy")) }

func (s *memStore) Close() error { return nil }

func (s *memStore) setDelay(delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = delay
}

func (s *memStore) setFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

// setRefuses has those Saves fail of which refuses is true; nil is none.
func (s *memStore) setRefuses(refuses func(Changes) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = refuses
}

// failNext has the next Saves fail, so many.
func (s *memStore) failNext(saves int) {
	s.setRefuses(func(Changes) bool {
		saves--
		return saves >= 0
	})
}

// records are the tasks as they are on disk.
func (s *memStore) records() map[uuid.UUID]*Record {
	snapshot, err := s.Load()
	if err != nil {
		panic(err)
	}
	records := make(map[uuid.UUID]*Record, len(snapshot.Tasks))
	for _, record := range snapshot.Tasks {
		records[record.Task.ID] = record
	}
	return records
}

// record returns the task as it is on disk; nil where it is not.
func (s *memStore) record(id uuid.UUID) *Record { return s.records()[id] }

// fleet is a manager with fake workers, in a synctest bubble.
type fleet struct {
	t     *testing.T
	store *memStore
	log   *lockedBuffer
	cfg   func(*Config)

	mu      sync.Mutex
	workers map[string]*fakeWorker // by name

	*Manager
	stop func()
}

var fakeRoom = task.Resources{Cpu: 4, Memory: 4 << 30, Disk: 40 << 30}

func newFleet(t *testing.T, names ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, store: newMemStore(), log: new(lockedBuffer), workers: map[string]*fakeWorker{}}
	for _, name := range names {
		f.workers[name] = newFakeWorker(name, fakeRoom)
	}
	f.start()
	for _, name := range names {
		f.join(name)
	}
	synctest.Wait()
	return f
}

func (f *fleet) worker(name string) *fakeWorker {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.workers[name]
}

// start begins a manager's life on the store as it is.
func (f *fleet) start() {
	f.t.Helper()
	ranked, err := policy.New("spread")
	if err != nil {
		f.t.Fatal(err)
	}
	cfg := Config{
		Store:     f.store,
		Scheduler: scheduler.Config{Policy: ranked},
		NewWorker: func(baseURL string) (Worker, error) { return f.worker(strings.TrimPrefix(baseURL, "http://")), nil },
		NewScraper: func(now func() scheduler.Instant, sink func(scrape.Result)) (Scraper, error) {
			return &fakeScraper{fleet: f, now: now, sink: sink, soon: make(chan string, 1000)}, nil
		},
		Seed: 1,
		Log:  slog.New(slog.NewTextHandler(f.log, nil)),
	}
	if f.cfg != nil {
		f.cfg(&cfg)
	}
	if f.Manager, err = New(cfg); err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var once sync.Once
	f.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				f.t.Errorf("the manager ended with %v", err)
			}
		})
	}
	f.t.Cleanup(func() { f.stop() })
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// restart ends the manager's life and begins another on the same store.
func (f *fleet) restart() {
	f.t.Helper()
	f.stop()
	f.start()
	synctest.Wait()
}

// add starts a worker and has it join.
func (f *fleet) add(name string, room task.Resources) *fakeWorker {
	f.t.Helper()
	w := newFakeWorker(name, room)
	f.mu.Lock()
	f.workers[name] = w
	f.mu.Unlock()
	f.join(name)
	synctest.Wait()
	return w
}

func (f *fleet) join(name string) {
	f.t.Helper()
	if _, err := f.Join(f.t.Context(), wire.Join{URL: "http://" + name, Name: name}); err != nil {
		f.t.Fatalf("%s joins: %v", name, err)
	}
}

// submit submits a task and waits until nothing moves any more.
func (f *fleet) submit(change func(*task.Task)) uuid.UUID {
	f.t.Helper()
	t := &task.Task{Command: []string{"sleep", "1000"}, Cpu: 0.5, Memory: 1 << 30}
	if change != nil {
		change(t)
	}
	placed, created, err := f.Submit(f.t.Context(), t)
	if err != nil || !created {
		f.t.Fatalf("submit: created %v, %v", created, err)
	}
	synctest.Wait()
	return placed.ID
}

// wait lets time pass.
func (f *fleet) wait(d time.Duration) {
	<-time.After(d) // fake time
	synctest.Wait()
}

// list yields the tasks that a filter keeps.
func (f *fleet) list(filter Filter) iter.Seq[*wire.PlacedTask] {
	page := f.Tasks(filter)
	return page.All()
}

// is fails the test unless the task is in the state, on the node.
func (f *fleet) is(id uuid.UUID, state task.State, node string) wire.PlacedTask {
	f.t.Helper()
	placed, err := f.Task(id)
	if err != nil {
		f.t.Fatal(err)
	}
	if placed.State != state || placed.Node != node {
		f.t.Fatalf("the task is %s on %q (reason %q), want %s on %q\n%s", placed.State, placed.Node, placed.PendingReason, state, node, f.log)
	}
	return placed
}

// running returns on which workers the task runs.
func (f *fleet) running(id uuid.UUID) []string {
	var on []string
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, w := range f.workers {
		if state, known := w.state(id); known && state == task.Running {
			on = append(on, name)
		}
	}
	slices.Sort(on)
	return on
}

func (f *fleet) nodeState(name string) wire.NodeState {
	f.t.Helper()
	node, err := f.Node(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return node.State
}

// has fails the test unless the error is a wire error of the code that says the
// words.
func has(t *testing.T, err error, code wire.Code, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	wired := wire.AsError(err)
	if wired.Code != code {
		t.Fatalf("the error is %s (%v), want %s", wired.Code, err, code)
	}
	for _, word := range words {
		if !strings.Contains(wired.Message, word) {
			t.Errorf("the error %q does not say %q", wired.Message, word)
		}
	}
}

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("node-%d", i+1)
	}
	return list
}

func contains(text, word string) bool { return strings.Contains(text, word) }
