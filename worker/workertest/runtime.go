package workertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

// Runtime is a worker.Runtime in memory. Its runs go on until the test ends them
// or they are stopped. Faults, where set, are asked first and may fail or delay a
// call. All methods may be called at the same time.
type Runtime struct {
	// Fault is asked before each call: the method's name and the run's key.
	// An error it returns is the call's. It is set before the first use.
	Fault func(ctx context.Context, method string, key worker.Key) error
	// StopCode is the exit code of a run that is stopped; 143 is SIGTERM's.
	StopCode int

	mu     sync.Mutex // guards what follows
	runs   map[worker.Key]*run
	starts []worker.Key // in order, each run that truly started
}

type run struct {
	info  worker.Run
	task  *task.Task
	ended chan struct{} // closed once info.Exit is set
}

var _ worker.Runtime = (*Runtime)(nil)

// NewRuntime returns a runtime without runs.
func NewRuntime() *Runtime { return &Runtime{StopCode: 143, runs: map[worker.Key]*run{}} }

func (r *Runtime) fault(ctx context.Context, method string, key worker.Key) error {
	if r.Fault == nil {
		return nil
	}
	return r.Fault(ctx, method, key)
}

// Name is "memory".
func (r *Runtime) Name() string { return "memory" }

// Start begins a run, once.
func (r *Runtime) Start(ctx context.Context, key worker.Key, t *task.Task) (worker.Run, error) {
	if err := r.fault(ctx, "Start", key); err != nil {
		return worker.Run{}, err
	}
	if err := ctx.Err(); err != nil {
		return worker.Run{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.runs[key]; known != nil {
		return known.info, nil
	}
	started := &run{
		info: worker.Run{Key: key, Handle: "run:" + key.String(), StartTime: time.Now()},
		task: t.Clone(), ended: make(chan struct{}),
	}
	r.runs[key] = started
	r.starts = append(r.starts, key)
	return started.info, nil
}

// Wait blocks until the run has ended.
func (r *Runtime) Wait(ctx context.Context, key worker.Key) (worker.Exit, error) {
	if err := r.fault(ctx, "Wait", key); err != nil {
		return worker.Exit{}, err
	}
	known, err := r.find(key)
	if err != nil {
		return worker.Exit{}, err
	}
	select {
	case <-known.ended:
	case <-ctx.Done():
		return worker.Exit{}, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known.info.Exit == nil { // taken away without an end
		return worker.Exit{}, worker.ErrUnknownRun
	}
	return *known.info.Exit, nil
}

// Stop ends the run with StopCode.
func (r *Runtime) Stop(ctx context.Context, key worker.Key, _ time.Duration) error {
	if err := r.fault(ctx, "Stop", key); err != nil {
		return err
	}
	r.end(key, worker.Exit{Code: &r.StopCode})
	return nil
}

// Remove forgets an ended run.
func (r *Runtime) Remove(ctx context.Context, key worker.Key) error {
	if err := r.fault(ctx, "Remove", key); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.runs[key]
	if known != nil && known.info.Exit == nil {
		return fmt.Errorf("run %v is still running", key)
	}
	delete(r.runs, key)
	return nil
}

// Logs returns the run's key as its output.
func (r *Runtime) Logs(ctx context.Context, key worker.Key, opts worker.LogOptions) (io.ReadCloser, error) {
	if err := r.fault(ctx, "Logs", key); err != nil {
		return nil, err
	}
	known, err := r.find(key)
	if err != nil {
		return nil, err
	}
	text := "output of " + key.String() + "\n"
	if !opts.Follow {
		return io.NopCloser(strings.NewReader(text)), nil
	}
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		if _, err := io.WriteString(in, text); err != nil {
			return
		}
		select {
		case <-known.ended:
			_ = in.Close()
		case <-ctx.Done():
		}
	}()
	return out, nil
}

// Usage says that a running run has used a second of CPU and a MiB.
func (r *Runtime) Usage(ctx context.Context, key worker.Key) (worker.Usage, error) {
	if err := r.fault(ctx, "Usage", key); err != nil {
		return worker.Usage{}, err
	}
	_, err := r.find(key)
	return worker.Usage{CpuSeconds: 1, MemoryBytes: 1 << 20}, err
}

// List returns the runs, ordered by key.
func (r *Runtime) List(ctx context.Context) ([]worker.Run, error) {
	if err := r.fault(ctx, "List", worker.Key{}); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	infos := make([]worker.Run, 0, len(r.runs))
	for _, key := range slices.SortedFunc(maps.Keys(r.runs), func(a, b worker.Key) int { return strings.Compare(a.String(), b.String()) }) {
		infos = append(infos, r.runs[key].info)
	}
	return infos, nil
}

// Close does nothing: there is nothing to close.
func (r *Runtime) Close() error { return nil }

func (r *Runtime) find(key worker.Key) (*run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.runs[key]; known != nil {
		return known, nil
	}
	return nil, worker.ErrUnknownRun
}

func (r *Runtime) end(key worker.Key, exit worker.Exit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.runs[key]
	if known == nil || known.info.Exit != nil {
		return
	}
	exit.Time = time.Now()
	known.info.Exit = &exit
	close(known.ended)
}

// Exit ends a run with a code, as if by itself.
func (r *Runtime) Exit(key worker.Key, code int) { r.end(key, worker.Exit{Code: &code}) }

// Kill ends a run for want of memory.
func (r *Runtime) Kill(key worker.Key) {
	code := 137
	r.end(key, worker.Exit{Code: &code, OOMKilled: true})
}

// Vanish takes a run away without an end, as a restart of the machine does.
func (r *Runtime) Vanish(key worker.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.runs[key]; known != nil && known.info.Exit == nil {
		close(known.ended)
	}
	delete(r.runs, key)
}

// Running returns the keys of the runs that go on.
func (r *Runtime) Running() []worker.Key {
	return r.keys(func(k *run) bool { return k.info.Exit == nil })
}

// Known returns the keys of all runs there are, ended ones included.
func (r *Runtime) Known() []worker.Key { return r.keys(func(*run) bool { return true }) }

func (r *Runtime) keys(keep func(*run) bool) []worker.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := []worker.Key{}
	for key, known := range r.runs {
		if keep(known) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b worker.Key) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// Starts returns the key of every run that started, in order.
func (r *Runtime) Starts() []worker.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.starts)
}

// StartsOf returns how often runs of a task started.
func (r *Runtime) StartsOf(id uuid.UUID) int {
	n := 0
	for _, key := range r.Starts() {
		if key.Task == id {
			n++
		}
	}
	return n
}

// TaskOf returns the task that a run was started with.
func (r *Runtime) TaskOf(key worker.Key) (*task.Task, error) {
	known, err := r.find(key)
	if err != nil {
		return nil, err
	}
	return known.task, nil
}

// ErrInjected is a fault for tests that need one.
var ErrInjected = errors.New("injected")
