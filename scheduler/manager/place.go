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
	saved  *commit // what brings record and decision to disk

	decision *scheduler.Outcome
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
	batch := m.decideBatch()
	if len(batch) == 0 {
		return false
	}
	// They may be in several transactions: the journal does not wait.
	var lost []placement
	var trouble error
	kept := batch[:0]
	for _, p := range batch {
		if err := p.saved.wait(); err != nil {
			lost, trouble = append(lost, p), err
		} else {
			kept = append(kept, p)
		}
	}
	if len(kept) > 0 {
		m.handOver(kept)
	}
	if trouble != nil {
		m.takeBack(lost, trouble)
		return sleep(ctx, storeRetry)
	}
	return true
}

// handOver has the nodes told of decisions that are on disk.
func (m *Manager) handOver(batch []placement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue.trouble = ""
	for _, p := range batch {
		if n := m.nodes[p.e.record.Node]; n != nil && p.e.record.live() {
			m.enqueue(n, p.e)
		}
	}
}

// decideBatch takes up to maxBatch decisions, makes them true in memory and has
// them brought to disk.
func (m *Manager) decideBatch() []placement {
	var batch []placement
	for more := true; more && len(batch) < maxBatch; {
		m.mu.Lock()
		first := len(batch)
		woken := m.wakeClasses()
		var changes Changes
		for left := maxHeld; left > 0; {
			tasks, c := m.nextAlike(&woken, left)
			if len(tasks) == 0 {
				more = false
				break
			}
			left -= len(tasks)
			start := len(batch)
			batch = m.decideAlike(tasks, c, batch)
			if c != nil && len(batch)-start < len(tasks) {
				woken = woken[1:] // it has its answer
			}
			for _, p := range batch[start:] {
				changes.Tasks = append(changes.Tasks, p.record)
				changes.Decisions = append(changes.Decisions, SeqDecision{Seq: p.record.Seq, Decision: p.decision})
			}
		}
		if len(woken) > 0 {
			m.rouse(woken)
		}
		if len(changes.Tasks) > 0 {
			saved := m.journal.append(changes)
			for i := range batch[first:] {
				batch[first+i].saved = saved
			}
		}
		m.mu.Unlock()
	}
	return batch
}

// nextAlike returns the next tasks to decide on, up to most that ask for the
// same: first of those that a node has made room for, with the class in which
// they go on waiting if they do not fit, then of the queue. There are none when
// nothing is to be decided.
func (m *Manager) nextAlike(woken *[]*class, most int) ([]*entry, *class) {
	for len(*woken) > 0 {
		c := (*woken)[0]
		if tasks := c.heads(min(c.turn, most)); len(tasks) > 0 {
			c.turn = min(2*c.turn, maxHeld)
			return tasks, c
		}
		*woken = (*woken)[1:]
	}
	return m.queue.popAlike(most), nil
}

// decideAlike decides on tasks that ask for the same, makes true what was
// decided and appends it to batch. From the first on that fits nowhere they
// wait: in c, or in a class of their own.
func (m *Manager) decideAlike(tasks []*entry, c *class, batch []placement) []placement {
	now, decisions := m.decide(tasks)
	for i, e := range tasks {
		if decisions[i].Node() == "" {
			m.putAside(tasks[i:], c, &decisions[i])
			break
		}
		if c != nil {
			c.take()
		}
		batch = append(batch, m.assign(e, &decisions[i], now))
	}
	return batch
}

// putAside has tasks wait that were refused alike; those of a class are there
// already.
func (m *Manager) putAside(tasks []*entry, c *class, d *scheduler.Outcome) {
	if c != nil {
		c.answer(d.Decision())
		m.watch.changed(tasks[0].record.Task.ID)
		return
	}
	decision := d.Decision()
	for _, e := range tasks {
		m.queue.wait(e, decision)
		m.watch.changed(e.record.Task.ID)
	}
}

// decide asks the scheduler about tasks that ask for the same. It holds the
// promises of those that it has found a node for.
func (m *Manager) decide(tasks []*entry) (scheduler.Instant, []scheduler.Outcome) {
	now := m.now()
	demands := m.demands[:0]
	for _, e := range tasks {
		demand := e.demand
		demand.Excluded = e.exclusions(now)
		demands = append(demands, demand)
	}
	m.demands = demands
	started := time.Now()
	decisions := m.state.DecideBatch(now, demands, m.rng.Uint64())
	each := time.Since(started) / time.Duration(len(tasks))
	for i := range decisions {
		decisions[i].Time = started
		m.metrics.decided(&decisions[i], each)
		if decisions[i].Node() == "" {
			break // that holds for the rest
		}
	}
	return now, decisions
}

// assign makes a decision true whose promise the scheduler holds since now: a
// new allocation, larger than all before.
func (m *Manager) assign(e *entry, d *scheduler.Outcome, now scheduler.Instant) placement {
	m.metrics.pending.Observe((now - e.since).Seconds())
	e.waiting, e.handed, e.stopSent, e.placedAt, e.held = nil, false, false, now, d.Node()
	before := e.record
	next := before.with(func(r *Record) {
		r.Task.State = task.Scheduled
		r.Task.Allocation++
		r.Node, r.PlaceTime = e.held, d.Time.UTC().Round(0)
	})
	e.record = next
	m.reindex(e, before, next)
	m.log.Debug("A task was placed.", "task", next.Task.ID, "node", next.Node, "allocation", next.Task.Allocation)
	return placement{e: e, record: next, before: before, decision: d}
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
			c.roused, c.turn = false, 1
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
