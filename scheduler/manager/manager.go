package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/worker/task"
	"cube/worker/wire"
)

// Config is what a manager is made of. Store, Scheduler.Policy, NewWorker and
// NewScraper have to be there; a duration or a number of 0 takes its default.
type Config struct {
	Store Store
	// Scheduler is the policy and the ages from which on a reading is stale
	// and a node is down. A node that is down loses its tasks to others.
	Scheduler  scheduler.Config
	NewWorker  func(baseURL string) (Worker, error)
	NewScraper NewScraper
	Log        *slog.Logger

	// Workers are the nodes given by flags.
	Workers []wire.Join
	// WorkersFile is a file_sd file of nodes, looked at again every
	// WorkersFileInterval; empty is none.
	WorkersFile         string
	WorkersFileInterval time.Duration

	DispatchTimeout time.Duration // of one request to a worker: 10 s
	PollWait        time.Duration // that a worker is asked to hold a poll: 10 s
	// SweepInterval is how often tasks that fit nowhere are looked at again
	// even if nothing seems to have made room, so that their reasons stay
	// true: 5 s.
	SweepInterval time.Duration
	// InFlight bounds the requests under way to one worker: 4.
	InFlight int
	// KeepEnded is how long an ended task stays listed: 24 h.
	KeepEnded time.Duration
	// Seed makes the decisions' seeds; 0 takes a random one.
	Seed uint64
}

func (c *Config) setDefaults() {
	setDefault(&c.WorkersFileInterval, 5*time.Second)
	setDefault(&c.DispatchTimeout, 10*time.Second)
	setDefault(&c.PollWait, 10*time.Second)
	setDefault(&c.SweepInterval, 5*time.Second)
	setDefault(&c.InFlight, 4)
	setDefault(&c.KeepEnded, 24*time.Hour)
	setDefault(&c.Scheduler.StaleAfter, 15*time.Second)
	setDefault(&c.Scheduler.DownAfter, 60*time.Second)
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

// Manager keeps tasks where they ought to be. All methods may be called at the
// same time; those that write return once what they promise is on disk.
type Manager struct {
	cfg     Config
	log     *slog.Logger
	epoch   time.Time // of every scheduler.Instant
	journal *journal
	scraper Scraper
	metrics *metrics
	ended   chan struct{} // closed when Run returns

	// nodeChanges lets one change of the fleet go after the other.
	nodeChanges sync.Mutex

	// placeWake and watchdogWake hold one token while there is work.
	placeWake, watchdogWake chan struct{}

	mu    sync.Mutex // guards the fields below, and all entries and nodes
	watch *watch
	state *scheduler.State
	rng   *rand.Rand
	tasks map[uuid.UUID]*entry
	order []*entry // by Seq
	// accepting holds the IDs that are on their way to disk.
	accepting map[uuid.UUID]chan struct{}
	nodes     map[string]*node
	urls      map[string]string // of nodes: URL → name
	queue     queue
	demands   []scheduler.Demand // memory for those of one question to the scheduler
	key       []byte             // memory for the key of one task
	counts    [len(task.States)]int
	following int // nodes whose lists are being read
	lastSeq   uint64
	moments   uint64
	awake     scheduler.Instant // when the watchdog last looked at the clock
	// unsaved are the tasks whose last version did not reach the disk.
	// They are written again at saveAt.
	unsaved map[uuid.UUID]struct{}
	saveAt  scheduler.Instant
	// storeFails says whether the last transaction did.
	storeFails bool
	// spawn starts a goroutine that Run waits for; nil while Run does not run.
	spawn func(func(context.Context))
}

// entry is a task with what the manager knows of it besides its record.
type entry struct {
	record *Record // replaced by update, never changed
	saved  *Record // the last one known to be on disk
	resent uint    // how often record was handed to the journal once more
	demand scheduler.Demand
	key    string // of demand: see appendClassKey

	// While the task is pending.
	since    scheduler.Instant
	waiting  *class // the class it waits in; nil while it is in the ready queue
	excluded []exclusion
	refusals int // how often a worker refused it

	// While the task is on a node.
	held     string            // the node it holds a promise on
	placedAt scheduler.Instant // when the promise was made
	handed   bool              // the worker has acknowledged the allocation
	handedAt uint64            // the moment; what was listed before cannot hold it
	stopSent bool              // the worker has acknowledged the stop
	queued   bool              // an operation waits in the node's queue
	busy     bool              // an operation is under way
	again    bool              // another one is needed after it
}

// errStopped is the answer while the manager shuts down.
var errStopped = errors.New("the manager is shutting down")

// New loads what the store has and returns a manager that holds it, but does
// nothing before Run.
func New(cfg Config) (*Manager, error) {
	if cfg.Store == nil || cfg.NewWorker == nil || cfg.NewScraper == nil {
		return nil, errors.New("a manager needs a store, a way to its workers and a scraper")
	}
	cfg.setDefaults()
	state, err := scheduler.NewState(cfg.Scheduler)
	if err != nil {
		return nil, fmt.Errorf("the scheduler: %w", err)
	}
	m := &Manager{
		cfg: cfg, log: cfg.Log, epoch: time.Now(), state: state,
		metrics: newMetrics(),
		watch:   newWatch(), ended: make(chan struct{}),
		rng:       rand.New(rand.NewPCG(cfg.Seed, 0)),
		placeWake: make(chan struct{}, 1), watchdogWake: make(chan struct{}, 1),
		tasks: map[uuid.UUID]*entry{}, accepting: map[uuid.UUID]chan struct{}{},
		nodes: map[string]*node{}, urls: map[string]string{}, unsaved: map[uuid.UUID]struct{}{},
		queue: newQueue(),
	}
	m.journal = newJournal(cfg.Store, m.committed)
	if m.scraper, err = cfg.NewScraper(m.now, m.observe); err != nil {
		return nil, fmt.Errorf("the scraper: %w", err)
	}
	if err := m.load(); err != nil {
		return nil, err
	}
	return m, nil
}

// now is the manager's monotonic clock.
func (m *Manager) now() scheduler.Instant { return scheduler.Instant(time.Since(m.epoch)) }

// moment numbers what happens with workers, so that of two events it is known
// which came first, however coarse the clock is.
func (m *Manager) moment() uint64 {
	m.moments++
	return m.moments
}

// load takes over what the store has.
func (m *Manager) load() error {
	snapshot, err := m.cfg.Store.Load()
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, record := range snapshot.Nodes {
		if err := m.setNode(record); err != nil {
			return err
		}
	}
	now := m.now()
	m.tasks, m.order = make(map[uuid.UUID]*entry, len(snapshot.Tasks)), make([]*entry, 0, len(snapshot.Tasks))
	for _, record := range snapshot.Tasks {
		m.lastSeq = max(m.lastSeq, record.Seq)
		e := m.insert(record, now)
		// Running tasks were acknowledged; a scheduled one is handed over
		// once more, which the worker recognises.
		e.handed = record.Task.State == task.Running
		m.reindex(e, nil, record)
		m.resume(e)
	}
	m.log.Info("Loaded the state of the fleet.", "tasks", len(snapshot.Tasks), "nodes", len(snapshot.Nodes))
	return nil
}

// insert makes the task of a record that is on disk known.
func (m *Manager) insert(record *Record, now scheduler.Instant) *entry {
	e := &entry{record: record, saved: record, demand: demandOf(&record.Task), since: now, placedAt: now}
	m.key = appendClassKey(m.key[:0], &e.demand, m.cfg.Scheduler.SpreadLimit > 0)
	if last := len(m.order) - 1; last >= 0 && m.order[last].key == string(m.key) {
		e.key = m.order[last].key // tasks that ask for the same mostly come together
	} else {
		e.key = string(m.key)
	}
	m.tasks[record.Task.ID] = e
	i := len(m.order)
	for i > 0 && m.order[i-1].record.Seq > record.Seq {
		i--
	}
	m.order = append(m.order, nil)
	copy(m.order[i+1:], m.order[i:])
	m.order[i] = e
	return e
}

// resume queues what is to be done about a task that has just become known.
func (m *Manager) resume(e *entry) {
	switch record := e.record; {
	case record.Task.State == task.Pending:
		m.queue.push(e)
		wake(m.placeWake)
	case record.live():
		n := m.nodes[record.Node]
		switch {
		case n == nil:
			m.lose(e, "its node is not part of the fleet any more")
		case !e.handed || record.toStop():
			m.enqueue(n, e)
		} // else its worker has been told all there is to tell
	}
}

// Run scrapes, places, hands over and follows until ctx ends. The tasks go on
// running. It is called once.
func (m *Manager) Run(ctx context.Context) error {
	journalCtx, stopJournal := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJournal()
	var journalDone sync.WaitGroup
	journalDone.Go(func() { m.journal.run(journalCtx) })

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	failure := make(chan error, 1)
	m.begin(ctx, &group, failure)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failure:
		cancel()
	}
	m.mu.Lock()
	m.spawn = nil
	m.mu.Unlock()
	group.Wait()
	stopJournal()
	journalDone.Wait()
	close(m.ended)
	return err
}

// begin starts the manager's goroutines and whatever waits for one.
func (m *Manager) begin(ctx context.Context, group *sync.WaitGroup, failure chan<- error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spawn = func(body func(context.Context)) { group.Go(func() { body(ctx) }) }
	m.scraper.SetTargets(m.targets())
	m.spawn(func(ctx context.Context) {
		if err := m.scraper.Run(ctx); err != nil && ctx.Err() == nil {
			select {
			case failure <- fmt.Errorf("the scraper ended: %w", err):
			case <-ctx.Done():
			}
		}
	})
	m.spawn(m.placeLoop)
	m.spawn(m.watchdog)
	m.spawn(m.keepFlagged)
	for _, n := range m.nodes {
		m.pump(n)
		m.follow(n)
		m.startMoving(n)
	}
}

// wake leaves a token in a channel of capacity 1.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is there already
	}
}
