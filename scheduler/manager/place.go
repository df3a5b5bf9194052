package manager

import (
	"context"
	"slices"
	"time"

	"cube/scheduler"
	"cube/worker/task"
)

// maxBatch is how many placements share one transaction at most, and maxHeld
// how many are decided on before others get at the manager's lock.
const (
	maxBatch = 512
	maxHeld  = 64
)

// storeRetry is how long placing pauses after the store could not be written.
const storeRetry = time.Second

// placement is a decision on its way to disk.
type placement struct {
	e      *entry
	record *Record // as the decision made it
	before *Record // as it was while pending
}

// placeLoop decides on pending tasks until ctx ends. It is the only one that
// does.
func (m *Manager) placeLoop(ctx context.Context) {
	sweep := time.NewTicker(m.cfg.SweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.placeWake:
		case <-sweep.C:
			m.roomEverywhere()
		}
		for m.placeBatch(ctx) {
		}
	}
}

// placeBatch decides on a batch of pending tasks, brings the decisions to disk
// and hands them to the nodes' queues. It returns false when there was nothing
// to place.
func (m *Manager) placeBatch(ctx context.Context) bool {
	batch, saved := m.decideBatch()
	if len(batch) == 0 {
		return false
	}
	if err := saved.wait(); err != nil {
		m.takeBack(batch, err)
		return sleep(ctx, storeRetry)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue.trouble = ""
	for _, p := range batch {
		if n := m.nodes[p.e.record.Node]; n != nil && p.e.record.live() {
			m.enqueue(n, p.e)
		}
	}
	return true
}

// decideBatch takes up to maxBatch decisions and makes them true in memory. The
// commit brings them to disk; it is nil when there are none.
func (m *Manager) decideBatch() ([]placement, *commit) {
	var (
		batch []placement
		saved *commit
		more  = true
	)
	for more && len(batch) < maxBatch {
		m.mu.Lock()
		woken := m.wakeClasses()
		var changes Changes
		for range maxHeld {
			p, decision, ok := m.decideNext(&woken)
			if !ok {
				more = false
				break
			}
			if p.e == nil {
				continue
			}
			batch = append(batch, p)
			changes.Tasks = append(changes.Tasks, p.record)
			changes.Decisions = append(changes.Decisions, SeqDecision{Seq: p.record.Seq, Decision: decision})
		}
		if len(woken) > 0 {
			m.rouse(woken)
		}
		if len(changes.Tasks) > 0 {
			saved = m.journal.append(changes)
		}
		m.mu.Unlock()
	}
	return batch, saved
}

// decideNext decides on the next task: first of those that a node has made room
// for, then of the queue. ok is false when there is none; p.e is nil when the
// task has to wait.
func (m *Manager) decideNext(woken *[]*class) (p placement, d *scheduler.Decision, ok bool) {
	for len(*woken) > 0 {
		c := (*woken)[0]
		e := c.head()
		if e == nil {
			*woken = (*woken)[1:]
			continue
		}
		decision := m.decide(e)
		if decision.Node == "" {
			c.answer(decision)
			m.watch.changed(e.record.Task.ID)
			*woken = (*woken)[1:]
			continue
		}
		c.take()
		return m.assign(e, &decision), &decision, true
	}
	e := m.queue.pop()
	if e == nil {
		return placement{}, nil, false
	}
	decision := m.decide(e)
	if decision.Node == "" {
		m.queue.wait(e, decision)
		m.watch.changed(e.record.Task.ID)
		return placement{}, nil, true
	}
	return m.assign(e, &decision), &decision, true
}

// decide asks the scheduler.
func (m *Manager) decide(e *entry) scheduler.Decision {
	now := m.now()
	demand := e.demand
	demand.Excluded = e.exclusions(now)
	started := time.Now()
	d := m.state.Decide(now, demand, m.rng.Uint64())
	d.Time = started
	m.metrics.decided(&d, time.Since(started))
	return d
}

// assign makes a decision true: a new allocation, larger than all before.
func (m *Manager) assign(e *entry, d *scheduler.Decision) placement {
	now := m.now()
	m.metrics.pending.Observe((now - e.since).Seconds())
	e.waiting, e.handed, e.stopSent, e.placedAt = nil, false, false, now
	before := e.record
	next := before.with(func(r *Record) {
		r.Task.State = task.Scheduled
		r.Task.Allocation++
		r.Node, r.PlaceTime = d.Node, d.Time.UTC().Round(0)
	})
	e.record = next
	m.reindex(e, before, next)
	m.log.Debug("A task was placed.", "task", next.Task.ID, "node", next.Node, "allocation", next.Task.Allocation)
	return placement{e: e, record: next, before: before}
}

// takeBack undoes decisions that did not reach the disk. Who was stopped
// meanwhile has ended, since no worker was told.
func (m *Manager) takeBack(batch []placement, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue.trouble = err.Error()
	for i := len(batch) - 1; i >= 0; i-- {
		p := batch[i]
		switch {
		case p.e.record == p.record:
			// What is on disk is the record before.
			p.e.record = p.before
			m.reindex(p.e, p.record, p.before)
			m.queue.pushFront(p.e)
		case p.e.record.StopRequested && p.e.record.live():
			m.lose(p.e, "it was never handed to a worker")
		}
	}
	wake(m.placeWake)
}

// room notes that a node may have more room than before.
func (m *Manager) room(node string) {
	if len(m.queue.waiting) == 0 {
		return
	}
	m.queue.room[node] = struct{}{}
	wake(m.placeWake)
}

// roomEverywhere has every waiting task looked at again.
func (m *Manager) roomEverywhere() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue.compact()
	m.rouse(m.queue.waiting)
}

// rouse has classes decided on again at the next batch.
func (m *Manager) rouse(classes []*class) {
	for _, c := range classes {
		c.roused = true
	}
	if len(classes) > 0 {
		wake(m.placeWake)
	}
}

// wakeClasses returns the classes that are to be decided on again: those that a
// node with new room could serve.
func (m *Manager) wakeClasses() []*class {
	var woken []*class
	nodes := m.roomy()
	for _, c := range m.queue.waiting {
		if c.roused || c.servedByAny(nodes) {
			c.roused = false
			woken = append(woken, c)
		}
	}
	return woken
}

// roomyNode is a node that may have room, with what a demand is held against.
type roomyNode struct {
	inputs scheduler.Inputs
	labels map[string]string
}

// roomy returns the nodes that may have more room than before, and forgets them.
func (m *Manager) roomy() []roomyNode {
	if len(m.queue.room) == 0 {
		return nil
	}
	now := m.now()
	nodes := make([]roomyNode, 0, len(m.queue.room))
	for name := range m.queue.room {
		n := m.nodes[name]
		if n == nil || n.record.Draining {
			continue
		}
		if inputs, _, known := m.state.Inspect(name, now); known {
			nodes = append(nodes, roomyNode{inputs: inputs, labels: n.record.Labels})
		}
	}
	clear(m.queue.room)
	return nodes
}

// servedByAny reports whether one of the nodes might take a task of the class.
// It is a quick look that never misses one; the decision tells.
func (c *class) servedByAny(nodes []roomyNode) bool {
	e := c.head()
	if e == nil {
		return false
	}
	for i := range nodes {
		if nodes[i].mightServe(&e.demand) {
			return true
		}
	}
	return false
}

func (n *roomyNode) mightServe(d *scheduler.Demand) bool {
	in, want := &n.inputs, &d.Requests
	if in.CpuPromised+want.Cpu > in.CpuLimit || in.MemoryPromised+float64(want.Memory) > in.MemoryLimit ||
		in.DiskPromised+float64(want.Disk) > in.DiskLimit {
		return false
	}
	for _, constraint := range d.Constraints {
		if !constraint.Met(n.labels) {
			return false
		}
	}
	return true
}

// exclusion is a node that refused a task, and until when that counts.
type exclusion struct {
	refusal scheduler.Refusal
	until   scheduler.Instant
}

// How long a worker's refusal keeps a task from that node: longer each time the
// task is refused.
const (
	firstExclusion = 5 * time.Second
	lastExclusion  = time.Minute
)

// exclude keeps the task from a node for a while.
func (e *entry) exclude(refusal scheduler.Refusal, now scheduler.Instant) {
	last := min(firstExclusion<<min(e.refusals, 10), lastExclusion)
	e.refusals++
	e.excluded = append(e.excluded, exclusion{refusal: refusal, until: now + scheduler.Instant(last)})
}

// exclusions drops what counts no more and returns the rest.
func (e *entry) exclusions(now scheduler.Instant) []scheduler.Refusal {
	e.excluded = slices.DeleteFunc(e.excluded, func(x exclusion) bool { return x.until <= now })
	var refusals []scheduler.Refusal
	for _, x := range e.excluded {
		refusals = append(refusals, x.refusal)
	}
	return refusals
}
