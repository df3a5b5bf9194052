package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"cube/worker"
	"cube/worker/docker"
	"cube/worker/task"
)

// lateRuntime is the Docker runtime of a worker whose engine may not be there
// yet. Until it is, the worker measures and serves as usual, and refuses tasks
// with the reason; the worker asks for the list of runs again and again, which
// is what opens the runtime here.
type lateRuntime struct {
	config docker.Config
	alerts chan struct{}

	mu     sync.Mutex // guards opened and closed
	opened *docker.Runtime
	closed bool
}

// openDocker opens the runtime now where the engine answers. Any other fault
// than an engine that does not is final.
func openDocker(ctx context.Context, config docker.Config) (worker.Runtime, error) {
	late := &lateRuntime{config: config, alerts: make(chan struct{}, 1)}
	late.config.Lost = func() {
		select {
		case late.alerts <- struct{}{}:
		default: // the last one has not been heard of yet
		}
	}
	if _, err := late.get(ctx); err != nil && !errors.Is(err, worker.ErrUnavailable) {
		return nil, err
	}
	return late, nil
}

func (l *lateRuntime) get(ctx context.Context) (*docker.Runtime, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened != nil || l.closed {
		return l.opened, l.state()
	}
	opened, err := docker.New(ctx, l.config)
	if errors.Is(err, docker.ErrNoEngine) {
		return nil, fmt.Errorf("%w: %w", worker.ErrUnavailable, err)
	}
	l.opened = opened
	return opened, err
}

// state is why there is no use of the runtime. The caller holds mu.
func (l *lateRuntime) state() error {
	if l.closed {
		return errors.New("the Docker runtime is closed")
	}
	return nil
}

// Name implements worker.Runtime, as all that follow.
func (l *lateRuntime) Name() string { return runtimeDocker }

func (l *lateRuntime) Start(ctx context.Context, key worker.Key, t *task.Task) (worker.Run, error) {
	r, err := l.get(ctx)
	if err != nil {
		return worker.Run{}, err
	}
	return r.Start(ctx, key, t)
}

func (l *lateRuntime) Wait(ctx context.Context, key worker.Key) (worker.Exit, error) {
	r, err := l.get(ctx)
	if err != nil {
		return worker.Exit{}, err
	}
	return r.Wait(ctx, key)
}

func (l *lateRuntime) Stop(ctx context.Context, key worker.Key, grace time.Duration) error {
	r, err := l.get(ctx)
	if err != nil {
		return err
	}
	return r.Stop(ctx, key, grace)
}

func (l *lateRuntime) Remove(ctx context.Context, key worker.Key) error {
	r, err := l.get(ctx)
	if err != nil {
		return err
	}
	return r.Remove(ctx, key)
}

func (l *lateRuntime) Logs(ctx context.Context, key worker.Key, opts worker.LogOptions) (io.ReadCloser, error) {
	r, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return r.Logs(ctx, key, opts)
}

func (l *lateRuntime) Usage(ctx context.Context, key worker.Key) (worker.Usage, error) {
	r, err := l.get(ctx)
	if err != nil {
		return worker.Usage{}, err
	}
	return r.Usage(ctx, key)
}

func (l *lateRuntime) List(ctx context.Context) ([]worker.Run, error) {
	r, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return r.List(ctx)
}

// Check implements worker.Checker. Without an engine nothing is started anyway.
func (l *lateRuntime) Check(t *task.Task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == nil {
		return nil
	}
	return l.opened.Check(t)
}

// Alerts implements worker.Alerter.
func (l *lateRuntime) Alerts() <-chan struct{} { return l.alerts }

// ReadUsage implements worker.Meter.
func (l *lateRuntime) ReadUsage(key worker.Key) (worker.Usage, bool) {
	l.mu.Lock()
	opened := l.opened
	l.mu.Unlock()
	if opened == nil {
		return worker.Usage{}, false
	}
	return opened.ReadUsage(key)
}

// Exec implements worker.Execer.
func (l *lateRuntime) Exec(ctx context.Context, key worker.Key, command []string) (int, error) {
	r, err := l.get(ctx)
	if err != nil {
		return 0, err
	}
	return r.Exec(ctx, key, command)
}

func (l *lateRuntime) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.opened == nil {
		return nil
	}
	return l.opened.Close()
}

var (
	_ worker.Runtime = (*lateRuntime)(nil)
	_ worker.Checker = (*lateRuntime)(nil)
	_ worker.Execer  = (*lateRuntime)(nil)
	_ worker.Meter   = (*lateRuntime)(nil)
	_ worker.Alerter = (*lateRuntime)(nil)
)
