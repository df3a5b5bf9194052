package manager

import (
	"context"
	"time"

	"cube/worker/task"
)

// Drain has a node take no new tasks, and returns once that is on disk. With a
// moveWithin above 0 its tasks with a restart policy are moved: one after the
// other as long as that lasts, each only once there is room for it elsewhere,
// and what is left then all at once. A task without a restart policy is left to
// its end.
func (m *Manager) Drain(name string, moveWithin time.Duration) error {
	return m.setDraining(name, true, moveWithin)
}

// Resume has a draining node take tasks again. What was moved does not come
// back.
func (m *Manager) Resume(name string) error { return m.setDraining(name, false, 0) }

func (m *Manager) setDraining(name string, draining bool, moveWithin time.Duration) error {
	m.nodeChanges.Lock()
	defer m.nodeChanges.Unlock()
	m.mu.Lock()
	n := m.nodes[name]
	if n == nil {
		m.mu.Unlock()
		return notFound("node", name)
	}
	record := n.record
	m.mu.Unlock()
	if record.Draining == draining && moveWithin == 0 {
		return nil
	}
	record.Draining, record.MoveBy = draining, time.Time{}
	if moveWithin > 0 {
		record.MoveBy = time.Now().Add(moveWithin).UTC().Round(0)
	}
	if err := m.changeNodes(record); err != nil {
		return err
	}
	m.log.Info("A node was told whether to take new tasks.", "node", name, "draining", draining, "moveWithin", moveWithin)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.startMoving(n)
	return nil
}

// startMoving moves the tasks of a node that is to be emptied.
func (m *Manager) startMoving(n *node) {
	if n.moving || n.record.MoveBy.IsZero() || m.spawn == nil {
		return
	}
	n.moving = true
	m.spawn(func(ctx context.Context) { m.moveTasks(ctx, n) })
}

// moveTasks moves a draining node's tasks until none is left to move or the
// node is told otherwise. It looks again whenever a task has changed, and now
// and then for room that has come up elsewhere.
func (m *Manager) moveTasks(ctx context.Context, n *node) {
	again := time.NewTicker(m.cfg.SweepInterval)
	defer again.Stop()
	var last *entry // the one that was moved last
	for {
		m.mu.Lock()
		moved, done := m.moveNext(n, last)
		if done || ctx.Err() != nil {
			n.moving = false
			m.mu.Unlock()
			return
		}
		if moved != nil {
			last = moved
		}
		news := m.watch.next()
		m.mu.Unlock()
		select {
		case <-news:
		case <-again.C:
		case <-ctx.Done():
		}
	}
}

// moveNext begins to move the next task, or after the deadline all; done says
// that none is left.
func (m *Manager) moveNext(n *node, last *entry) (moved *entry, done bool) {
	if n.removed || n.record.MoveBy.IsZero() {
		return nil, true
	}
	late := !time.Now().Before(n.record.MoveBy)
	if !late && last != nil && last.underWay() {
		return nil, false
	}
	left := false
	for _, e := range n.sortedTasks() {
		record := e.record
		if record.Moving {
			left = true
			continue
		}
		if record.Task.State != task.Running || record.StopRequested || !record.Task.RestartPolicy.Again(task.Failed, 0) {
			continue
		}
		left = true
		if !late && m.state.Decide(m.now(), e.demand, m.rng.Uint64()).Node() == "" {
			continue // stopping it would help nobody
		}
		m.log.Info("A task is moved.", "task", record.Task.ID, "node", n.record.Name, "allocation", record.Task.Allocation)
		// Its worker is told once this is on disk: see committed.
		m.update(e, record.with(func(r *Record) { r.Moving = true }))
		if moved = e; !late {
			break
		}
	}
	return moved, !left
}

// underWay reports whether a task that is being moved has not arrived yet.
func (e *entry) underWay() bool {
	return e.record.Moving || e.record.Task.State == task.Pending || e.record.Task.State == task.Scheduled
}

// stopIsSaved reports whether what asks for the stop is on disk: before that the
// worker is not told, or the end of the copy could be taken for the task's.
func (e *entry) stopIsSaved() bool { return e.saved.toStop() }

// toStop reports whether the worker is to stop the task.
func (r *Record) toStop() bool { return r.StopRequested || r.Moving }
