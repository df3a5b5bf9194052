package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"cube/collector/cgroup"
	"cube/worker"
	"cube/worker/process/supervise"
)

// Runtime runs tasks as processes. All methods may be called at the same time,
// those about one run as [worker.Runtime] says.
type Runtime struct {
	config Config
	runs   string // directory of the runs' directories
	bootID string
	// cgroups is nil where none can be made.
	cgroups hierarchy
	reader  *cgroup.Reader // nil where there are no cgroups
	starts  chan struct{}  // a place for each start under way
	// spare holds a supervisor that is ready, if there is one; needSpare has
	// the next one made.
	spare     chan *newSupervisor
	needSpare chan struct{}
	changes   changes

	// ctx ends with Close, and with it the watching of runs.
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup // the goroutines that watch runs

	mu     sync.Mutex // guards what follows
	known  map[worker.Key]*run
	closed bool
}

// errClosed says that Close was called.
var errClosed = errors.New("the process runtime is closed")

var _ worker.Runtime = (*Runtime)(nil)

// New opens the directory, finds the runs there are, and goes on watching
// those that still run.
func New(config Config) (*Runtime, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	rt := &Runtime{
		config: config, runs: filepath.Join(config.Dir, "runs"),
		starts: make(chan struct{}, config.Starts), known: map[worker.Key]*run{},
		spare: make(chan *newSupervisor, 1), needSpare: make(chan struct{}, 1),
	}
	if rt.bootID, err = supervise.BootID(); err != nil {
		return nil, err
	}
	self, err := supervise.OpenPID(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("the process runtime needs pidfds, as of Linux 5.10: %w", err)
	}
	if err := self.Close(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(rt.runs, 0o700); err != nil {
		return nil, fmt.Errorf("the directory of the process runtime cannot be made: %w", err)
	}
	if !config.NoCgroups {
		if rt.cgroups, err = newHierarchy(config.CgroupParent); err != nil {
			rt.cgroups = nil
			config.Log.Warn("No cgroups can be made: process tasks run without CPU and memory limits", "err", err)
		}
	}
	// Of this process, wherever the measured machine's are seen: the PIDs of
	// runs are those of its own namespace, and their cgroups are made here.
	if rt.reader, err = cgroup.New("/proc", "/sys"); err != nil && !errors.Is(err, cgroup.ErrNoCgroups) {
		return nil, fmt.Errorf("the process runtime cannot measure its tasks: %w", err)
	}
	rt.ctx, rt.cancel = context.WithCancel(context.Background())
	if err := rt.findRuns(); err != nil {
		return nil, fmt.Errorf("the runs in %s cannot be read: %w", rt.runs, err)
	}
	rt.tasks.Go(rt.keepSpare)
	return rt, nil
}

// Name is "process".
func (rt *Runtime) Name() string { return "process" }

// CgroupParent is the path of the cgroup that those of the runs are in, on v1
// that of the memory controller; empty where tasks run without cgroups.
func (rt *Runtime) CgroupParent() string {
	if rt.cgroups == nil {
		return ""
	}
	return rt.cgroups.parent()
}

// List returns every run there is, running or ended, in the order of keys.
func (rt *Runtime) List(context.Context) ([]worker.Run, error) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	list := make([]worker.Run, 0, len(rt.known))
	for _, r := range rt.known {
		list = append(list, r.snapshot())
	}
	slices.SortFunc(list, func(a, b worker.Run) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	return list, nil
}

// Remove deletes the records and the output of an ended run. A run that has
// not ended is an error.
func (rt *Runtime) Remove(_ context.Context, key worker.Key) error {
	r := rt.find(key)
	if r == nil {
		return nil
	}
	if !r.ended() {
		return fmt.Errorf("run %s cannot be removed while it runs", key)
	}
	if err := discard(r.dir); err != nil {
		return fmt.Errorf("run %s cannot be removed: %w", key, err)
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	delete(rt.known, key)
	return nil
}

// Close stops watching the runs and waits until the goroutines that did have
// left. The runs go on.
func (rt *Runtime) Close() error {
	rt.mu.Lock()
	rt.closed = true
	for _, r := range rt.known {
		r.meter.close()
	}
	rt.mu.Unlock()
	rt.cancel()
	err := rt.changes.close()
	rt.tasks.Wait()
	err = errors.Join(err, rt.dismissSpare())
	if rt.cgroups != nil {
		rt.cgroups.remove()
	}
	return err
}

// find returns the run, or nil.
func (rt *Runtime) find(key worker.Key) *run {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.known[key]
}

// lookup is find with an error.
func (rt *Runtime) lookup(key worker.Key) (*run, error) {
	if r := rt.find(key); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("%w: %s", worker.ErrUnknownRun, key)
}

// adopt adds a run and, while it runs, watches it. A run that was started while
// the runtime was closed goes on, as all do, for the next worker to find.
func (rt *Runtime) adopt(r *run) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.known[r.record.Key] = r
	if !rt.closed && !r.ended() {
		rt.tasks.Go(func() { rt.watch(r) })
	}
}
