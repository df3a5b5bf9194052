package manager

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"cube/scheduler"
	"cube/scheduler/scrape"
	"cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// fakeWorker is a worker as its API behaves: allocations are fenced, events act
// once, the list can be waited on.
type fakeWorker struct {
	name       string
	startDelay time.Duration // between accepting and running
	lateAnswer time.Duration // between accepting and saying so

	mu         sync.Mutex
	tasks      map[uuid.UUID]*task.Task
	fences     map[uuid.UUID]uint64
	events     map[uuid.UUID]task.Event
	generation uint64
	moved      chan struct{}
	room       task.Resources // allocatable
	claims     task.Resources // what it says is allocatable; zero: room
	cut        bool           // nothing gets through
	deaf       bool           // it acts, but its answers are lost
	hangs      bool           // it takes requests and does not answer
	refuses    *wire.Error    // its answer to every new allocation
	submitted  []task.Event   // all that came in
	starts     map[uuid.UUID]int

	// What the list of changes is made from.
	born    uint64 // a generation before this one is of another life
	known   map[uuid.UUID]task.Task
	changed map[uuid.UUID]uint64
}

var errCut = errors.New("connection refused")

func newFakeWorker(name string, room task.Resources) *fakeWorker {
	return &fakeWorker{
		name: name, room: room, generation: 1, moved: make(chan struct{}),
		tasks: map[uuid.UUID]*task.Task{}, fences: map[uuid.UUID]uint64{},
		events: map[uuid.UUID]task.Event{}, starts: map[uuid.UUID]int{},
		known: map[uuid.UUID]task.Task{}, changed: map[uuid.UUID]uint64{},
	}
}

// change runs f with the worker's state locked and tells who waits.
func (w *fakeWorker) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	w.generation++
	w.note()
	close(w.moved)
	w.moved = make(chan struct{})
}

// note notes which tasks have changed. A worker that has lost one without a
// trace has begun a new life.
func (w *fakeWorker) note() {
	for id, t := range w.tasks {
		if before, known := w.known[id]; !known || !reflect.DeepEqual(before, *t) {
			w.known[id], w.changed[id] = *t, w.generation
		}
	}
	for id := range w.known {
		if w.tasks[id] == nil {
			delete(w.known, id)
			w.born = w.generation
		}
	}
}

// set changes how the worker behaves, or what it has, without its telling.
func (w *fakeWorker) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *fakeWorker) setCut(cut bool) { w.set(func() { w.cut = cut }) }

// reach is what the network does to a request.
func (w *fakeWorker) reach(ctx context.Context) error {
	w.mu.Lock()
	cut, hangs := w.cut, w.hangs
	w.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if cut {
		return errCut
	}
	return ctx.Err()
}

func (w *fakeWorker) answerLost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf {
		return errCut
	}
	return nil
}

func (w *fakeWorker) Submit(ctx context.Context, event task.Event) (*task.Task, error) {
	if err := w.reach(ctx); err != nil {
		return nil, err
	}
	t, err := w.submit(event)
	w.mu.Lock()
	late := w.lateAnswer
	w.mu.Unlock()
	<-time.After(late)
	if lost := w.answerLost(); lost != nil {
		return nil, lost
	}
	return t, err
}

func (w *fakeWorker) submit(event task.Event) (*task.Task, error) {
	var answer *task.Task
	var err error
	w.change(func() {
		w.submitted = append(w.submitted, event)
		answer, err = w.accept(event)
	})
	if err == nil && answer.State == task.Scheduled && w.startDelay > 0 {
		id, allocation := answer.ID, answer.Allocation
		time.AfterFunc(w.startDelay, func() { w.start(id, allocation) })
	}
	return answer, err
}

func (w *fakeWorker) accept(event task.Event) (*task.Task, error) {
	id := event.Task.ID
	have := w.tasks[id]
	if before, again := w.events[event.ID]; again {
		if !before.Timestamp.Equal(event.Timestamp) {
			return nil, wire.New(wire.CodeEventConflict, "the event differs")
		}
		return have.Clone(), nil
	}
	if w.fences[id] >= event.Task.Allocation || (have != nil && have.Allocation >= event.Task.Allocation) {
		return nil, wire.New(wire.CodeStaleAllocation, "a newer allocation has been seen")
	}
	if w.refuses != nil {
		return nil, w.refuses
	}
	used := event.Task.Promise()
	for _, t := range w.tasks {
		if !t.State.Ended() {
			used = used.Add(t.Promise())
		}
	}
	if used.Memory > w.room.Memory || used.Disk > w.room.Disk || used.Cpu > 2*w.room.Cpu {
		return nil, wire.New(wire.CodeNoRoom, "no room for %s", id)
	}
	t := event.Task.Clone()
	t.State = task.Scheduled
	w.tasks[id], w.events[event.ID] = t, event
	if w.startDelay == 0 {
		w.run(t)
	}
	return t.Clone(), nil
}

func (w *fakeWorker) start(id uuid.UUID, allocation uint64) {
	w.change(func() {
		if t := w.tasks[id]; t != nil && t.Allocation == allocation && t.State == task.Scheduled {
			w.run(t)
		}
	})
}

func (w *fakeWorker) run(t *task.Task) {
	t.State, t.StartTime, t.ContainerID = task.Running, time.Now(), "pid:1"
	w.starts[t.ID]++
}

// exit ends a task by itself.
func (w *fakeWorker) exit(id uuid.UUID, code int) {
	w.change(func() {
		t := w.tasks[id]
		t.State, t.FinishTime, t.ExitCode = task.Completed, time.Now(), &code
		if code != 0 {
			t.State = task.Failed
		}
	})
}

func (w *fakeWorker) Stop(ctx context.Context, id uuid.UUID, allocation *uint64) error {
	if err := w.reach(ctx); err != nil {
		return err
	}
	var err error
	w.change(func() {
		t := w.tasks[id]
		switch {
		case t != nil && t.Allocation > *allocation:
			err = wire.New(wire.CodeStaleAllocation, "a newer allocation is here")
		case t == nil:
			w.fences[id] = max(w.fences[id], *allocation)
		default:
			w.fences[id] = max(w.fences[id], *allocation)
			if !t.State.Ended() {
				t.State, t.FinishTime = task.Completed, time.Now()
			}
		}
	})
	if lost := w.answerLost(); lost != nil {
		return lost
	}
	return err
}

func (w *fakeWorker) Tasks(ctx context.Context, q client.TasksQuery) (client.TasksAnswer, error) {
	over := time.NewTimer(q.Wait)
	defer over.Stop()
	for {
		if err := w.reach(ctx); err != nil {
			return client.TasksAnswer{}, err
		}
		w.mu.Lock()
		generation, moved, answer := w.generation, w.moved, w.answer(q)
		w.mu.Unlock()
		if q.Wait == 0 || generation != q.Since {
			return answer, nil
		}
		select {
		case <-moved:
		case <-over.C:
			return answer, nil
		case <-ctx.Done():
			return client.TasksAnswer{}, ctx.Err()
		}
	}
}

func (w *fakeWorker) answer(q client.TasksQuery) client.TasksAnswer {
	partial := q.Changed && q.Since >= w.born && q.Since <= w.generation
	list := []*task.Task{}
	for id, t := range w.tasks {
		if !partial || w.changed[id] > q.Since {
			list = append(list, t.Masked())
		}
	}
	slices.SortFunc(list, func(a, b *task.Task) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return client.TasksAnswer{Tasks: list, Generation: w.generation, Partial: partial}
}

func (w *fakeWorker) Logs(ctx context.Context, id uuid.UUID, _ client.LogQuery) (io.ReadCloser, error) {
	if err := w.reach(ctx); err != nil {
		return nil, err
	}
	return io.NopCloser(strings.NewReader("output of " + id.String())), nil
}

// state returns the state of a task there; false where it is not known.
func (w *fakeWorker) state(id uuid.UUID) (task.State, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.tasks[id]
	if t == nil {
		return 0, false
	}
	return t.State, true
}

// reading is what a scrape of the worker says.
func (w *fakeWorker) reading(at scheduler.Instant) scheduler.Reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	says := w.room
	if w.claims != (task.Resources{}) {
		says = w.claims
	}
	return scheduler.Reading{
		Node: w.name, At: at, Clock: float64(time.Now().UnixNano()) / 1e9,
		CpuUsage: 0.1, CpuWindow: 15, CpuCores: says.Cpu,
		MemoryTotal: float64(says.Memory), MemoryAvailable: float64(says.Memory),
		DiskTotal: float64(says.Disk), DiskAvailable: float64(says.Disk), Load1: 0.1,
		AllocatableCpu: says.Cpu, AllocatableMemory: float64(says.Memory), AllocatableDisk: float64(says.Disk),
		OvercommitCpu: 2, TasksGeneration: float64(w.generation),
	}
}

// fakeScraper reads fake workers each interval, and at once when asked.
type fakeScraper struct {
	fleet *fleet
	now   func() scheduler.Instant
	sink  func(scrape.Result)
	soon  chan string

	mu      sync.Mutex
	targets []scrape.Target
}

const fakeInterval = 5 * time.Second

func (s *fakeScraper) SetTargets(targets []scrape.Target) {
	s.mu.Lock()
	s.targets = targets
	s.mu.Unlock()
	for _, target := range targets {
		s.ScrapeNow(target.Node)
	}
}

func (s *fakeScraper) ScrapeNow(node string) {
	select {
	case s.soon <- node:
	default: // so many are waiting that this one is read soon anyway
	}
}

func (s *fakeScraper) Run(ctx context.Context) error {
	ticker := time.NewTicker(fakeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case node := <-s.soon:
			s.read(node)
		case <-ticker.C:
			s.mu.Lock()
			targets := s.targets
			s.mu.Unlock()
			for _, target := range targets {
				s.read(target.Node)
			}
		}
	}
}

func (s *fakeScraper) read(node string) {
	w := s.fleet.worker(node)
	if w == nil {
		return
	}
	w.mu.Lock()
	unreachable := w.cut || w.hangs || w.deaf
	w.mu.Unlock()
	if unreachable {
		s.sink(scrape.Result{Node: node, Err: errCut})
		return
	}
	s.sink(scrape.Result{Node: node, Reading: w.reading(s.now())})
}

func (s *fakeScraper) Describe(chan<- *prometheus.Desc) {}

func (s *fakeScraper) Collect(chan<- prometheus.Metric) {}
