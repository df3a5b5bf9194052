package manager

import (
	"fmt"
	"slices"
	"time"

	"cube/worker/client"
	"cube/worker/task"
)

// verdict is what is to be done about a task that a worker lists.
type verdict int

const (
	verdictIgnore  verdict = iota // ended, and of no interest
	verdictAdopt                  // it is what the record says, or more than it knows
	verdictStop                   // a copy that has no right to be there
	verdictForeign                // not started by this manager: never touched
)

// judge decides about a task that the worker of a node lists. record is nil for
// a task that the manager does not know.
func judge(record *Record, node string, t *task.Task) verdict {
	if record == nil || t.Allocation == 0 {
		// An allocation is never 0: somebody asked the worker directly.
		if t.State.Ended() {
			return verdictIgnore
		}
		return verdictForeign
	}
	have := &record.Task
	switch {
	case t.Allocation > have.Allocation && !have.State.Ended():
		// The store is behind the fleet: restored from a backup, say.
		return verdictAdopt
	case t.Allocation == have.Allocation && (record.Node == node || record.Node == ""):
		if have.State.Ended() && record.StopRequested && !t.State.Ended() {
			return verdictStop // given up as lost, and back
		}
		return verdictAdopt
	case t.State.Ended():
		return verdictIgnore
	default:
		return verdictStop
	}
}

// reconcile brings the records of a node's tasks in line with what its worker
// lists, and tells the worker where it is the list that is wrong. started is
// the moment at which the list was asked for: what the worker acknowledged later
// may be missing in it. A list of what has changed says nothing of what is not
// in it.
func (m *Manager) reconcile(n *node, answer *client.TasksAnswer, started uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n.cancelPoll = nil
	if n.removed || n.down {
		return
	}
	n.generation, n.listed, n.dispatchError = answer.Generation, true, ""
	if !answer.Partial {
		n.lookAgain = false
	}
	seen := make(map[*entry]struct{}, len(answer.Tasks))
	foreign := 0
	for _, t := range answer.Tasks {
		e := m.tasks[t.ID]
		var record *Record
		if e != nil {
			record = e.record
		}
		switch judge(record, n.record.Name, t) {
		case verdictAdopt:
			seen[e] = struct{}{}
			m.adopt(n, e, t)
		case verdictStop:
			if judge(e.saved, n.record.Name, t) != verdictStop {
				// The disk does not know yet why. After a crash, the end of
				// this copy would be taken for the task's.
				n.lookAgain = true
				continue
			}
			m.log.Info("An old copy of a task is stopped.", "task", t.ID, "node", n.record.Name, "allocation", t.Allocation)
			m.fence(n, fence{id: t.ID, allocation: t.Allocation})
		case verdictForeign:
			foreign++
		}
	}
	if answer.Partial {
		if foreign > 0 {
			m.look(n) // how many there are by now
		}
		return
	}
	if foreign > 0 && foreign != n.foreign {
		m.log.Warn("A worker runs tasks that this manager did not start; they are left alone.", "node", n.record.Name, "tasks", foreign)
	}
	n.foreign, n.wholeAt = foreign, m.now()
	m.missing(n, seen, started)
	if n.unobserved != nil {
		if err := m.state.Observe(*n.unobserved); err != nil {
			n.lastError = err.Error()
		}
		n.unobserved = nil
		m.room(n.record.Name)
	}
}

// missing finds the tasks that the worker acknowledged and does not list.
func (m *Manager) missing(n *node, seen map[*entry]struct{}, started uint64) {
	var gone []*entry
	for _, e := range n.tasks {
		if _, listed := seen[e]; !listed && e.handed && e.handedAt <= started {
			gone = append(gone, e)
		}
	}
	slices.SortFunc(gone, bySeq)
	for _, e := range gone {
		m.lose(e, fmt.Sprintf("the worker of %s has no record of it", n.record.Name))
	}
}

// fence queues the stop of a copy, once.
func (m *Manager) fence(n *node, f fence) {
	for _, op := range n.queue {
		if op.fence != nil && *op.fence == f {
			return
		}
	}
	n.queue = append(n.queue, operation{fence: &f})
	m.pump(n)
}

// adopt takes over what a worker says of a task that is rightly there.
func (m *Manager) adopt(n *node, e *entry, t *task.Task) {
	record := e.record
	state := observedState(t.State)
	if !reachable(record.Task.State, state, t.RestartCount > record.Task.RestartCount) {
		m.log.Warn("A worker reports a move that cannot be; it is not followed.", "task", t.ID, "node", n.record.Name,
			"allocation", t.Allocation, "from", record.Task.State, "to", state)
		return
	}
	if record.Moving && !record.StopRequested && state.Ended() && record.Task.Allocation == t.Allocation {
		m.unplace(e, "its node is being drained")
		return
	}
	if record.Node == n.record.Name && record.Task.Allocation == t.Allocation && sameOutcome(&record.Task, t, state) {
		return
	}
	if record.Node != n.record.Name {
		m.log.Info("A task was found running and is kept.", "task", t.ID, "node", n.record.Name, "allocation", t.Allocation)
		e.placedAt, e.waiting, e.stopSent = m.now(), nil, false
		e.handed, e.handedAt = true, m.moment()
	}
	m.update(e, record.with(func(r *Record) {
		r.Node = n.record.Name
		r.Task.Allocation, r.Task.State = t.Allocation, state
		r.Task.RestartCount, r.Task.ContainerID = t.RestartCount, t.ContainerID
		r.Task.StartTime, r.Task.FinishTime = t.StartTime, t.FinishTime
		r.Task.ExitCode, r.Task.OOMKilled, r.Task.Error = t.ExitCode, t.OOMKilled, t.Error
		r.Task.HostPorts = t.HostPorts
		if state.Ended() && r.Task.FinishTime.IsZero() {
			r.Task.FinishTime = time.Now()
		}
	}))
	if record.Task.State != state {
		m.log.Info("A task changed.", "task", t.ID, "node", n.record.Name, "allocation", t.Allocation,
			"from", record.Task.State, "to", state)
	}
	if e.record.toStop() && !e.stopSent && !state.Ended() {
		m.enqueue(n, e)
	}
}

// observedState is a worker's state in the manager's terms: what a worker has
// not begun with is pending there, but scheduled here.
func observedState(s task.State) task.State {
	if s == task.Pending {
		return task.Scheduled
	}
	return s
}

// reachable reports whether a task can have come from one state to the other:
// by one move, or by being scheduled in between, which may have gone unseen. An
// ended task is scheduled only where its worker counts a restart.
func reachable(from, to task.State, restarted bool) bool {
	if from.CanMoveTo(to) {
		return true
	}
	return (restarted || !from.Ended()) && from.CanMoveTo(task.Scheduled) && task.Scheduled.CanMoveTo(to)
}

// sameOutcome reports whether nothing has become of the task since.
func sameOutcome(have, now *task.Task, state task.State) bool {
	sameCode := (have.ExitCode == nil) == (now.ExitCode == nil) &&
		(have.ExitCode == nil || *have.ExitCode == *now.ExitCode)
	return have.State == state && have.RestartCount == now.RestartCount && have.ContainerID == now.ContainerID &&
		have.StartTime.Equal(now.StartTime) && have.OOMKilled == now.OOMKilled && have.Error == now.Error && sameCode &&
		(have.FinishTime.Equal(now.FinishTime) || (state.Ended() && now.FinishTime.IsZero()))
}
