package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	scheduling "cube/scheduler/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// watcher is a client that reads the list of tasks once in a life of the manager,
// and knows of everything after that by the changes it is told. It hangs up again
// and again, and goes on where it was.
type watcher struct {
	trial *trial

	mu     sync.Mutex // guards the fields below
	known  map[uuid.UUID]*wire.PlacedTask
	lists  int
	events int
}

// watchFor is how long one connection is kept. A cut link shows by nothing else.
const watchFor = 2 * time.Second

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	const pause = 200 * time.Millisecond
	for version := ""; ctx.Err() == nil; waitUntil(ctx, pause) {
		if version == "" {
			version = w.list(ctx)
			continue
		}
		version = w.follow(ctx, version)
	}
}

// list reads the whole list. It returns where to go on; "" where it did not get it.
func (w *watcher) list(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	page, err := w.trial.client.ListTasks(ctx, scheduling.TasksQuery{})
	if err != nil {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists++
	w.known = map[uuid.UUID]*wire.PlacedTask{}
	for i := range page.Tasks {
		w.known[page.Tasks[i].ID] = &page.Tasks[i]
	}
	return page.Version
}

// follow takes changes over one connection. It returns where to go on; "" where
// the manager does not know that any more.
func (w *watcher) follow(ctx context.Context, version string) string {
	ctx, cancel := context.WithTimeout(ctx, watchFor)
	defer cancel()
	for change, err := range w.trial.client.Watch(ctx, version) {
		if errors.Is(err, scheduling.ErrReset) {
			return ""
		}
		if err != nil {
			return version
		}
		if why := w.take(&change); why != nil {
			w.trial.t.Errorf("%s the watch says: %v", stamp(), why)
		}
		if change.Version != "" {
			version = change.Version
		}
	}
	return version
}

// take takes a change over, and says what of it cannot be.
func (w *watcher) take(change *scheduling.TaskChange) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events++
	before, now := w.known[change.ID], change.Task
	if now == nil {
		delete(w.known, change.ID)
		return lief("task %s is not listed any more", change.ID)
	}
	w.known[change.ID] = now
	if before == nil {
		return nil
	}
	switch {
	case now.Allocation < before.Allocation && !takenBack(before, now),
		now.Allocation == before.Allocation && now.State != task.Pending && now.RestartCount < before.RestartCount,
		before.StopRequested && !now.StopRequested,
		final(before) && ending(now) != ending(before):
		return lief("task %s was %s, and then %s", change.ID, standing(before), standing(now))
	}
	return nil
}

// takenBack reports whether a placement was undone that did not reach the disk, and
// no worker.
func takenBack(before, now *wire.PlacedTask) bool {
	return before.State == task.Scheduled && now.State == task.Pending && now.Allocation == before.Allocation-1
}

// standing is all that the watch is held to.
func standing(p *wire.PlacedTask) string {
	return fmt.Sprintf("%s on %q, allocation %d, restart %d, to stop: %v", ending(p), p.Node, p.Allocation, p.RestartCount, p.StopRequested)
}

// checkWatch: who was told of the changes alone knows what the list says, and had
// to read that no more often than the manager was started.
func (r *trial) checkWatch() {
	const within = 30 * time.Second // that what is told arrives
	ctx, cancel := context.WithTimeout(r.t.Context(), within)
	defer cancel()
	var why error
	for ; ctx.Err() == nil; waitUntil(ctx, settlePoll) {
		page, err := r.client.ListTasks(ctx, scheduling.TasksQuery{})
		if err != nil {
			continue
		}
		if why = r.watcher.differs(page.Tasks); why == nil {
			break
		}
	}
	if why != nil || ctx.Err() != nil {
		r.t.Errorf("%s who watched the tasks was not told all: %v", stamp(), why)
	}
	r.manager.mu.Lock()
	lives := r.manager.lives
	r.manager.mu.Unlock()
	r.watcher.mu.Lock()
	defer r.watcher.mu.Unlock()
	r.notes.add("the watch had %d lists and %d changes", r.watcher.lists, r.watcher.events)
	if r.watcher.lists > lives {
		r.t.Errorf("who watched the tasks had to list them %d times, in %d lives of the manager", r.watcher.lists, lives)
	}
}

// differs says how what is known differs from a list.
func (w *watcher) differs(listed []wire.PlacedTask) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var wrong []string
	for i := range listed {
		is, known := &listed[i], w.known[listed[i].ID]
		switch {
		case known == nil:
			wrong = append(wrong, fmt.Sprintf("task %s is not known", is.ID))
		case standing(known) != standing(is):
			wrong = append(wrong, fmt.Sprintf("task %s is %s, and known as %s", is.ID, standing(is), standing(known)))
		}
	}
	if len(wrong) > 0 || len(w.known) != len(listed) {
		return fmt.Errorf("%d tasks are listed, %d known; %s", len(listed), len(w.known), strings.Join(wrong, "; "))
	}
	return nil
}
