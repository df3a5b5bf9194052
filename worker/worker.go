package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// Worker runs the tasks of one machine. All methods may be called at the same
// time.
type Worker struct {
	cfg     Config
	runtime Runtime
	store   Store
	log     *slog.Logger
	group   sync.WaitGroup // all goroutines of Run
	starts  chan struct{}  // holds one for each start under way

	retireNow chan struct{} // a finished task may be over the bound
	sweepNow  chan struct{} // there is litter
	reconnect chan struct{} // the runtime was found not available

	use useMeter // guards itself

	mu sync.Mutex // guards what follows; never held during I/O

	tasks      map[uuid.UUID]*entry
	events     map[uuid.UUID]uuid.UUID // event acted on → its task
	litter     map[Key]struct{}        // runs to be stopped, if need be, and removed
	promised   room                    // what all entries hold
	holding    int                     // how many entries hold anything
	states     [len(task.States)]int   // tasks in each state, without tombstones
	tombstones int
	oomKills   uint64 // runs that ended so, in this life
	restarts   uint64 // by policy, in this life
	born       uint64 // the generation that this life began with
	generation uint64
	news       uint64        // the generation of the last change but acceptances
	changed    chan struct{} // closed and replaced at every change
	unusable   error         // why the runtime cannot be used; nil: it can
	recovered  bool          // what the runtime has was compared with the records
	driving    bool          // Run goes on, and the tasks' goroutines with it
	running    context.Context
	refusing   error // why no new task is taken; nil: they are
}

// New loads what the store has and compares it with the runs that the runtime
// has. A runtime that cannot be asked now is no error: Run asks again, and until
// then new tasks are refused with that reason; see Ready.
func New(ctx context.Context, cfg Config) (*Worker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		cfg: cfg, runtime: cfg.Runtime, store: cfg.Store, log: cfg.Log,
		starts:    make(chan struct{}, cfg.MaxStarts),
		retireNow: make(chan struct{}, 1), sweepNow: make(chan struct{}, 1), reconnect: make(chan struct{}, 1),
		tasks: map[uuid.UUID]*entry{}, events: map[uuid.UUID]uuid.UUID{}, litter: map[Key]struct{}{},
		changed: make(chan struct{}),
		// Larger than any that an earlier life of this worker gave out,
		// without a write for every change.
		generation: uint64(time.Now().UnixMicro()),
	}
	w.born, w.news = w.generation, w.generation
	records, err := w.store.Load()
	if err != nil {
		return nil, fmt.Errorf("the worker's state cannot be loaded: %w", err)
	}
	w.mu.Lock()
	for _, r := range records {
		e := &entry{id: r.Task.ID, turn: make(chan struct{}, 1)}
		w.tasks[e.id] = e
		w.show(e, &r)
	}
	w.mu.Unlock()
	if err := w.recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		w.log.Warn("The runtime cannot be used yet", "runtime", w.runtime.Name(), "error", err)
	}
	return w, nil
}

// Run brings the tasks on until ctx ends, then leaves their runs alone and
// returns once its own goroutines have ended. It is called once.
func (w *Worker) Run(ctx context.Context) error {
	w.mu.Lock()
	if w.running != nil {
		w.mu.Unlock()
		return errors.New("the worker runs already, or has run")
	}
	w.running = ctx
	w.setDriving()
	w.mu.Unlock()

	w.group.Go(func() { w.keepRuntime(ctx) })
	w.group.Go(func() { w.sweep(ctx) })
	w.group.Go(func() { w.retire(ctx) })
	<-ctx.Done()

	w.mu.Lock()
	w.driving = false
	w.refusing = wire.New(wire.CodeUnavailable, "the worker is shutting down")
	close(w.changed) // whoever waits for a change is told
	w.changed = make(chan struct{})
	w.mu.Unlock()
	w.group.Wait()
	return nil
}

// setDriving starts the goroutines of the live tasks once Run goes on and the
// runtime was asked what it has. The caller holds mu.
func (w *Worker) setDriving() {
	if w.running == nil || w.running.Err() != nil || !w.recovered {
		return
	}
	w.driving = true
	for _, e := range w.tasks {
		w.poke(e)
	}
}

// Ready returns nil once tasks can be taken, or why they cannot.
func (w *Worker) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusal()
}

// refusal is why a new task cannot be taken now. The caller holds mu.
func (w *Worker) refusal() error {
	switch {
	case w.refusing != nil:
		return w.refusing
	case w.unusable != nil:
		return wire.New(wire.CodeUnavailable, "the %s runtime cannot be used: %v", w.runtime.Name(), w.unusable)
	}
	return nil
}

// Filter narrows a list of tasks.
type Filter struct {
	States []task.State // empty: all
}

// Tasks lists the tasks, ordered by ID. The list is the caller's.
func (w *Worker) Tasks(f Filter) []*task.Task {
	tasks, _ := w.Snapshot(f)
	return tasks
}

// Snapshot lists the tasks, ordered by ID, with the generation at that moment.
func (w *Worker) Snapshot(f Filter) (tasks []*task.Task, generation uint64) {
	w.mu.Lock()
	records := w.changedAfter(0, f)
	generation = w.generation
	w.mu.Unlock()
	return shown(records), generation
}

// Changes lists the tasks that have changed after the generation since, ordered
// by ID, with the generation at that moment; a task that is not listed any more
// is not among them. It reports false, and lists all tasks, where since is not a
// generation of this life of the worker.
func (w *Worker) Changes(f Filter, since uint64) (tasks []*task.Task, generation uint64, known bool) {
	w.mu.Lock()
	if known = since >= w.born && since <= w.generation; !known {
		since = 0
	}
	records := w.changedAfter(since, f)
	generation = w.generation
	w.mu.Unlock()
	return shown(records), generation, known
}

// changedAfter returns the listed records that the filter keeps and that have
// changed after a generation. The caller holds mu.
func (w *Worker) changedAfter(since uint64, f Filter) []*Record {
	var records []*Record
	for _, e := range w.tasks {
		if e.record == nil || e.record.Tombstone || e.changed <= since {
			continue
		}
		if len(f.States) == 0 || slices.Contains(f.States, e.record.Task.State) {
			records = append(records, e.record)
		}
	}
	return records
}

// shown are copies of the tasks of records, ordered by ID.
func shown(records []*Record) []*task.Task {
	slices.SortFunc(records, func(a, b *Record) int { return bytes.Compare(a.Task.ID[:], b.Task.ID[:]) })
	tasks := make([]*task.Task, len(records))
	for i, r := range records {
		tasks[i] = r.Task.Clone()
	}
	return tasks
}

// Task returns one task, which is the caller's, or the error not_found.
func (w *Worker) Task(id uuid.UUID) (*task.Task, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.tasks[id]
	if e == nil || e.record == nil || e.record.Tombstone {
		return nil, unknownTask(id)
	}
	return e.record.Task.Clone(), nil
}

func unknownTask(id uuid.UUID) error {
	return wire.New(wire.CodeNotFound, "there is no task %s here", id)
}

// Generation is a number that grows with every change of any task, also over
// restarts of the worker.
func (w *Worker) Generation() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.generation
}

// Changed blocks until the generation is above since. A since that was never
// given out, from another life of the worker, does not block. The error is the
// context's, or says that the worker is shutting down.
func (w *Worker) Changed(ctx context.Context, since uint64) error {
	return w.awaitChange(ctx, func() bool { return w.generation != since })
}

// News blocks until something has changed after since besides tasks having been
// accepted, which who submitted them knows; and else as Changed.
func (w *Worker) News(ctx context.Context, since uint64) error {
	return w.awaitChange(ctx, func() bool { return w.news > since || since > w.generation })
}

// awaitChange blocks until over, which is called with mu held, reports true.
func (w *Worker) awaitChange(ctx context.Context, over func() bool) error {
	for {
		w.mu.Lock()
		done, changed := over(), w.changed
		var refused error
		if w.running != nil && w.running.Err() != nil {
			refused = w.refusing
		}
		w.mu.Unlock()
		if done {
			return nil
		}
		if refused != nil {
			return refused
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
