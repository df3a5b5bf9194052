package docker

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/system"

	"cube/worker"
)

// eventSource is what the watcher needs of the engine's client.
type eventSource interface {
	Info(context.Context) (system.Info, error)
	Events(context.Context, events.ListOptions) (<-chan events.Message, <-chan error)
	ContainerList(context.Context, container.ListOptions) ([]container.Summary, error)
}

// watcher follows the engine's events and wakes the waiters of containers that
// died, or in which a command ended. It reconnects for as long as it runs.
type watcher struct {
	engine eventSource
	owner  string
	log    *slog.Logger
	// listed is called with all the owner's containers after each
	// connection, and is not to block. Its context ends with the connection.
	listed func(context.Context, []container.Summary)
	// made is called with the name and the ID of a container that was made,
	// and is not to block either.
	made func(ctx context.Context, name, id string)
	// gone is called when a connection has broken or failed, and is not to
	// block.
	gone func()
	// doubted asks for a fresh connection; see doubt.
	doubted chan struct{}
	// lost is that the last connection broke or failed. Only run uses it.
	lost bool

	mu      sync.Mutex                      // guards what follows, and what is in it
	waiters map[string]map[*waiter]struct{} // by container name
	broken  chan struct{}                   // closed while there is no connection after there was one
}

// waiter waits for one container.
type waiter struct {
	// wake has a value when the container is worth another look.
	wake chan struct{}
	// died is what the last die event said; nil if there was none.
	died *worker.Exit
}

func newWatcher(engine eventSource, owner string, log *slog.Logger,
	listed func(context.Context, []container.Summary), made func(ctx context.Context, name, id string),
) *watcher {
	return &watcher{
		engine: engine, owner: owner, log: log, listed: listed, made: made, gone: func() {},
		doubted: make(chan struct{}, 1),
		waiters: make(map[string]map[*waiter]struct{}),
		broken:  make(chan struct{}),
	}
}

// breaks waits that long for the engine to go away, and reports whether it has.
func (w *watcher) breaks(ctx context.Context, within time.Duration) bool {
	w.mu.Lock()
	broken := w.broken
	w.mu.Unlock()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-broken:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// setConnected notes that there is a connection, or none any more. Only run and
// what it calls use it.
func (w *watcher) setConnected(connected bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case connected && w.lost:
		w.broken = make(chan struct{})
	case !connected && !w.lost:
		close(w.broken)
	}
	w.lost = !connected
}

// add registers a waiter. It has to be registered before the container is
// looked at, so that no end falls between the two.
func (w *watcher) add(name string) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := &waiter{wake: make(chan struct{}, 1)}
	if w.waiters[name] == nil {
		w.waiters[name] = make(map[*waiter]struct{})
	}
	w.waiters[name][one] = struct{}{}
	return one
}

// drop undoes add.
func (w *watcher) drop(name string, one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiters[name], one)
	if len(w.waiters[name]) == 0 {
		delete(w.waiters, name)
	}
}

// lastDied is what the last die event said to the waiter, if there was one.
func (w *watcher) lastDied(one *waiter) *worker.Exit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return one.died
}

// doubt asks for a fresh connection and listing: the engine gave an answer
// that it does not give when it is well.
func (w *watcher) doubt() {
	select {
	case w.doubted <- struct{}{}:
	default:
	}
}

// run follows the events until ctx ends.
func (w *watcher) run(ctx context.Context) {
	var pause backoff
	for {
		connected := time.Now()
		err := w.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := pause.next(time.Since(connected))
		level := slog.LevelWarn
		if w.lost {
			level = slog.LevelDebug // said once is enough
		}
		w.setConnected(false)
		w.log.Log(ctx, level, "lost the Docker engine's events; connecting again", "err", err, "wait", wait)
		w.gone()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// follow is one connection. It returns why that ended.
func (w *watcher) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	// The engine acknowledges a subscription before it has made it. Asked
	// for what happened since a moment before, by its own clock, it sends
	// what fell between.
	info, err := w.engine.Info(ctx)
	if err != nil {
		cancel()
		return err
	}
	messages, errs := w.engine.Events(ctx, events.ListOptions{Since: info.SystemTime, Filters: filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("label", labelOwner+"="+w.owner),
		filters.Arg("event", string(events.ActionCreate)),
		filters.Arg("event", string(events.ActionDie)),
		filters.Arg("event", string(events.ActionOOM)),
		filters.Arg("event", string(events.ActionDestroy)),
		filters.Arg("event", string(events.ActionExecDie)),
	)})
	defer func() {
		cancel()
		for range errs { // closed when the client's reader has left
		}
	}()
	if err := w.list(ctx); err != nil {
		return err
	}
	if w.lost {
		w.setConnected(true)
		w.log.InfoContext(ctx, "follows the Docker engine's events again")
	}
	for {
		select {
		case message := <-messages:
			if message.Action == events.ActionCreate {
				w.made(ctx, message.Actor.Attributes["name"], message.Actor.ID)
			} else {
				w.note(message)
			}
		case err := <-errs:
			return err
		case <-w.doubted:
			return fmt.Errorf("the engine's answers are in doubt")
		}
	}
}

// list has everybody who waits take another look, and hands on what there is.
//
// The list itself does not tell whom to wake: an engine up to 20.10 sends a
// container's die event before the list, which it keeps apart, knows of it.
func (w *watcher) list(ctx context.Context) error {
	w.mu.Lock()
	for _, waiting := range w.waiters {
		wakeAll(waiting)
	}
	w.mu.Unlock()
	all, err := w.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: ownerFilter(w.owner)})
	if err != nil {
		return err
	}
	w.listed(ctx, all)
	return nil
}

// note takes in an event of those that somebody may wait for.
func (w *watcher) note(message events.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting := w.waiters[message.Actor.Attributes["name"]]
	if message.Action == events.ActionDie {
		exit := worker.Exit{Time: time.Unix(0, message.TimeNano)}
		if code, err := strconv.Atoi(message.Actor.Attributes["exitCode"]); err == nil {
			exit.Code = &code
		}
		for one := range waiting {
			one.died = &exit
		}
	}
	wakeAll(waiting)
}

func wakeAll(waiting map[*waiter]struct{}) {
	for one := range waiting {
		select {
		case one.wake <- struct{}{}:
		default: // it has not yet looked since the last one
		}
	}
}

// ownerFilter matches the containers of an owner.
func ownerFilter(owner string) filters.Args {
	return filters.NewArgs(filters.Arg("label", labelOwner+"="+owner))
}
