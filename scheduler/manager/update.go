package manager

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/worker/task"
)

// update replaces the entry's record by next: in memory, in the scheduler's
// promises, in what is watched, and, once the returned commit is done, on disk.
// Every change of a task goes through here. Memory comes first, so that of two
// changes the disk always ends with the one that memory ends with.
func (m *Manager) update(e *entry, next *Record) *commit {
	prev := e.record
	switch ended := next.Task.State.Ended(); {
	case !ended:
		next.EndTime = time.Time{}
	case !prev.Task.State.Ended():
		next.EndTime = time.Now()
	}
	e.record = next
	m.reindex(e, prev, next)
	return m.journal.append(Changes{Tasks: []*Record{next}})
}

// reindex brings everything that is derived from a record up to date. prev is
// nil for a task that has just become known.
func (m *Manager) reindex(e *entry, prev, next *Record) {
	if prev != nil {
		m.counts[prev.Task.State]--
	}
	m.counts[next.Task.State]++
	m.watch.changed(next.Task.ID)
	m.repromise(e, prev, next)
	if prev != nil && prev.Node != "" && (prev.Node != next.Node || !next.live()) {
		if n := m.nodes[prev.Node]; n != nil {
			delete(n.tasks, next.Task.ID)
			delete(n.unsettled, next.Task.ID)
		}
	}
	if n := m.nodes[next.Node]; n != nil && next.live() {
		n.tasks[next.Task.ID] = e
		m.settle(n, e)
	}
}

// settle notes whether the task's next change is being waited for: then the
// node is followed closely.
func (m *Manager) settle(n *node, e *entry) {
	record := e.record
	starting := record.Task.State == task.Scheduled && e.handed
	if record.live() && record.Node == n.record.Name && (starting || (record.toStop() && e.stopSent)) {
		n.unsettled[record.Task.ID] = e
		m.follow(n)
		return
	}
	delete(n.unsettled, record.Task.ID)
}

// repromise keeps the scheduler's view of who is promised what as the record
// says.
func (m *Manager) repromise(e *entry, prev, next *Record) {
	id := next.Task.ID
	if e.held != "" && (!next.live() || next.Node != e.held) {
		end := scheduler.End{At: m.now(), FinishTime: unixSeconds(next.Task.FinishTime)}
		if err := m.state.Remove(id, end); err != nil {
			m.log.Error("The scheduler holds no promise for a task that had one.", "task", id, "node", e.held, "error", err)
		}
		m.room(e.held)
		e.held = ""
	}
	if !next.live() {
		return
	}
	if e.held != "" && prev != nil && prev.startTime().Equal(next.startTime()) {
		return
	}
	started := unixSeconds(next.startTime())
	err := m.state.Place(scheduler.Placement{Demand: e.demand, Node: next.Node, At: e.placedAt, StartTime: started})
	if err != nil {
		m.log.Error("The scheduler does not take a promise.", "task", id, "node", next.Node, "error", err)
		return
	}
	e.held = next.Node
}

// startTime is since when the task runs, by its worker; zero while it does not.
func (r *Record) startTime() time.Time {
	if r.Task.State != task.Running {
		return time.Time{}
	}
	return r.Task.StartTime
}

// unixSeconds is t on the clock it was read from; absent where t is zero.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return scheduler.Absent()
	}
	return float64(t.UnixNano()) / float64(time.Second)
}

// lose takes a task from a node that will not be heard of again, or not in
// time: it is pending once more, and its next allocation will be a larger one,
// by which the old copy is told when the node comes back. A task that was to be
// stopped has come to its end.
func (m *Manager) lose(e *entry, why string) {
	record := e.record
	if record.StopRequested {
		m.update(e, record.with(func(r *Record) {
			r.Task.State, r.Task.FinishTime = task.Completed, time.Now()
			r.Task.Error = "the stop was not confirmed: " + why
		}))
		return
	}
	m.unplace(e, why)
}

// unplace makes a scheduled or running task pending again.
func (m *Manager) unplace(e *entry, why string) {
	record := e.record
	m.log.Info("A task is placed anew.", "task", record.Task.ID, "node", record.Node,
		"allocation", record.Task.Allocation, "reason", why)
	e.since = m.now()
	m.update(e, record.with(func(r *Record) {
		allocation := r.Task.Allocation
		r.Task = asked(&r.Task)
		r.Task.Allocation = allocation
		if r.Moving {
			// The old copy has ended, and that is not the task's end: its
			// number is used up.
			r.Task.Allocation++
		}
		r.Node, r.PlaceTime, r.Moving = "", time.Time{}, false
	}))
	m.queue.push(e)
	wake(m.placeWake)
}

// committed is told by the journal of every transaction.
func (m *Manager) committed(changes *Changes, took time.Duration, err error) {
	m.metrics.committed(took, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if (err != nil) != m.storeFails {
		m.storeFails = err != nil
		if err != nil {
			m.log.Error("Changes do not reach the disk; they are written again until they do.", "error", err)
		} else {
			m.log.Info("The store can be written again.")
		}
	}
	for _, record := range changes.Tasks {
		if err != nil {
			m.unsaved[record.Task.ID] = struct{}{}
		} else if e := m.tasks[record.Task.ID]; e != nil {
			e.saved = record
			if n := m.nodes[record.Node]; n != nil && record.Moving {
				m.enqueue(n, e)
			}
		}
	}
	if err != nil {
		m.saveAt = m.now() + scheduler.Instant(storeRetry)
		wake(m.watchdogWake)
	}
}

// saveAgain writes what did not reach the disk in the version that is true now.
// A task that was never accepted is not among those.
func (m *Manager) saveAgain() {
	var changes Changes
	for id := range m.unsaved {
		if e := m.tasks[id]; e != nil {
			e.resent++
			changes.Tasks = append(changes.Tasks, e.record)
		}
	}
	clear(m.unsaved)
	if len(changes.Tasks) > 0 {
		m.journal.append(changes)
	}
}

// forget drops ended tasks that have been listed for long enough.
func (m *Manager) forget(now time.Time) {
	var gone []uint64
	m.order = slices.DeleteFunc(m.order, func(e *entry) bool {
		t := &e.record.Task
		ended := e.record.EndTime
		if ended.IsZero() { // it was stopped before it was placed
			ended = t.FinishTime
		}
		if !t.State.Ended() || now.Sub(ended) < m.cfg.KeepEnded {
			return false
		}
		m.counts[t.State]--
		delete(m.tasks, t.ID)
		m.watch.changed(t.ID)
		gone = append(gone, e.record.Seq)
		return true
	})
	if len(gone) > 0 {
		m.journal.append(Changes{Forgotten: gone})
	}
}

// entryOf returns the task or the error not_found.
func (m *Manager) entryOf(id uuid.UUID) (*entry, error) {
	if e := m.tasks[id]; e != nil {
		return e, nil
	}
	return nil, notFound("task", id.String())
}
