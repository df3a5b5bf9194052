package manager

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/worker/task"
	"cube/worker/wire"
)

// operation is one thing to tell a worker: that a task be as its record says,
// or, with fence set, that an old copy be stopped.
type operation struct {
	e     *entry
	fence *fence
}

// fence names a copy of a task that has no right to be on a node.
type fence struct {
	id         uuid.UUID
	allocation uint64
}

// enqueue has the worker told what the task's record says. What there is to say
// is looked up when its turn comes.
func (m *Manager) enqueue(n *node, e *entry) {
	if e.busy {
		e.again = true
		return
	}
	if e.queued {
		return
	}
	e.queued = true
	n.queue = append(n.queue, operation{e: e})
	m.pump(n)
}

// pump starts as many goroutines as the node's queue calls for.
func (m *Manager) pump(n *node) {
	if m.spawn == nil {
		return // begin comes back to it
	}
	for range min(len(n.queue), n.concurrency(m.cfg.InFlight)-n.active) {
		n.active++
		m.spawn(func(ctx context.Context) { m.drain(ctx, n) })
	}
}

// concurrency is how many requests may be under way to the node: one that does
// not answer is tried one at a time.
func (n *node) concurrency(most int) int {
	if n.failures > 0 {
		return 1
	}
	return most
}

// drain works the node's queue off in its order and returns when it is empty,
// or when fewer goroutines suffice.
func (m *Manager) drain(ctx context.Context, n *node) {
	for {
		op, ok := m.next(ctx, n)
		if !ok {
			return
		}
		err := m.operate(ctx, n, op)
		if m.finish(n, op, err) {
			continue
		}
		if !m.pause(ctx, n) {
			m.leave(n)
			return
		}
	}
}

func (m *Manager) leave(n *node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n.active--
}

// next takes an operation from the node's queue. ok is false when the calling
// goroutine has nothing left to do.
func (m *Manager) next(ctx context.Context, n *node) (op operation, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil || n.removed || len(n.queue) == 0 || n.active > n.concurrency(m.cfg.InFlight) {
		n.active--
		return operation{}, false
	}
	op = n.queue[0]
	n.queue = n.queue[1:]
	if op.e != nil {
		op.e.queued, op.e.busy = false, true
	}
	return op, true
}

// finish notes how an operation ended; false means that the worker did not
// answer.
func (m *Manager) finish(n *node, op operation, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		n.failures, n.dispatchError = 0, ""
	} else {
		n.failures++
		n.dispatchError = err.Error()
	}
	if e := op.e; e != nil {
		e.busy = false
		again := e.again
		e.again = false
		switch on := m.nodes[e.record.Node]; {
		case on == n && err != nil:
			// It is still to be done, and comes first.
			e.queued = true
			n.queue = slices.Insert(n.queue, 0, op)
		case on != nil && (again || on != n):
			m.enqueue(on, e)
		}
	} else if err != nil && !n.down {
		n.queue = slices.Insert(n.queue, 0, op)
	}
	m.pump(n)
	return err == nil
}

// Bounds of the pause between attempts to reach a worker.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// pause waits before a worker that did not answer is tried again: longer each
// time, with jitter so that a fleet does not come back in step, and no longer
// than until the worker is heard of. It returns false when ctx ends.
func (m *Manager) pause(ctx context.Context, n *node) bool {
	m.mu.Lock()
	failures := n.failures
	m.mu.Unlock()
	most := min(firstRetry<<min(max(failures-1, 0), 10), lastRetry)
	timer := time.NewTimer(most/2 + rand.N(most/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-n.back:
		return true
	case <-ctx.Done():
		return false
	}
}

// operate tells the worker one thing. The error means that the worker gave no
// answer, and may or may not have acted.
func (m *Manager) operate(ctx context.Context, n *node, op operation) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.DispatchTimeout)
	defer cancel()
	if op.fence != nil {
		return m.stopCopy(ctx, n, op.fence)
	}
	m.mu.Lock()
	e, record := op.e, op.e.record
	here := record.Node == n.record.Name
	worker, saved := n.worker, e.stopIsSaved()
	m.mu.Unlock()
	switch {
	case !here:
		return nil
	case record.toStop() && !e.stopSent && saved:
		return m.tellStop(ctx, n, worker, e, record)
	case record.Task.State == task.Scheduled && !record.toStop() && !e.handed:
		return m.hand(ctx, n, worker, e, record)
	default:
		return nil
	}
}

// hand gives the worker a new allocation.
func (m *Manager) hand(ctx context.Context, n *node, worker Worker, e *entry, record *Record) error {
	sent, err := worker.Submit(ctx, record.event())
	var refused *wire.Error
	if errors.As(err, &refused) && !saysNothingBegan(refused.Code) {
		if stopErr := worker.Stop(ctx, record.Task.ID, &record.Task.Allocation); stopErr != nil {
			refused = nil
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.record.Node != record.Node || e.record.Task.Allocation != record.Task.Allocation {
		return nil // it was taken from the node meanwhile
	}
	switch {
	case err == nil:
		m.metrics.dispatches.WithLabelValues("accepted").Inc()
		e.handed, e.handedAt, e.refusals, e.excluded = true, m.moment(), 0, nil
		if e.record.Task.State == task.Scheduled {
			m.adopt(n, e, sent)
		} // else a list was quicker and knows more, and will not say so again
		m.settle(n, e)
		return nil
	case refused != nil:
		m.metrics.dispatches.WithLabelValues("refused").Inc()
		m.refuse(n, e, refused)
		return nil
	default:
		m.metrics.dispatches.WithLabelValues("unreachable").Inc()
		return err
	}
}

// saysNothingBegan reports whether a refusal says for sure that the worker did
// not begin with the allocation. After any other it is fenced off first.
func saysNothingBegan(code wire.Code) bool {
	switch code {
	case wire.CodeNoRoom, wire.CodeInvalid, wire.CodeStaleAllocation:
		return true
	case wire.CodeUnauthorized, wire.CodeForbidden, wire.CodeForbiddenHost, wire.CodeCrossOrigin:
		return true // the request did not get past the worker's door
	}
	return false
}

// refuse takes back a task that the worker would not have: it goes to the next
// best node.
func (m *Manager) refuse(n *node, e *entry, why *wire.Error) {
	name := n.record.Name
	m.log.Info("A worker refused a task.", "task", e.record.Task.ID, "node", name,
		"allocation", e.record.Task.Allocation, "code", why.Code, "reason", why.Message)
	e.exclude(scheduler.Refusal{
		Node: name, Code: scheduler.RefusedByWorker,
		Reason: fmt.Sprintf("its worker refused (%s): %s", why.Code, why.Message),
	}, m.now())
	if e.record.StopRequested {
		m.lose(e, "the worker had refused the task")
		return
	}
	if why.Code == wire.CodeStaleAllocation {
		// This store is behind the fleet, restored from a backup perhaps.
		// The list tells if the newer copy is still there; otherwise numbers
		// skip ahead, further each time.
		m.update(e, e.record.with(func(r *Record) { r.Task.Allocation += 1 << min(4*e.refusals, 40) }))
		m.look(n)
	}
	m.unplace(e, "the worker refused it: "+why.Message)
	// What the worker refuses for was not in the last reading.
	m.scraper.ScrapeNow(name)
}

// tellStop asks the worker to stop the task.
func (m *Manager) tellStop(ctx context.Context, n *node, worker Worker, e *entry, record *Record) error {
	err := worker.Stop(ctx, record.Task.ID, &record.Task.Allocation)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		if errors.Is(err, wire.New(wire.CodeStaleAllocation, "")) {
			m.look(n) // the worker knows better which allocation it has
			return nil
		}
		return err
	}
	if e.record.Node != record.Node || e.record.Task.Allocation != record.Task.Allocation {
		return nil
	}
	e.stopSent = true
	if !e.handed {
		// The worker may never have had it, and then nothing will change
		// there: its list tells.
		e.handed, e.handedAt = true, m.moment()
		m.look(n)
	}
	m.settle(n, e)
	return nil
}

// stopCopy stops a copy of a task that has no right to be there.
func (m *Manager) stopCopy(ctx context.Context, n *node, f *fence) error {
	m.mu.Lock()
	worker := n.worker
	m.mu.Unlock()
	err := worker.Stop(ctx, f.id, &f.allocation)
	var refused *wire.Error
	if errors.As(err, &refused) && refused.HTTPStatusCode < 500 {
		m.log.Warn("A worker would not stop an old copy of a task.", "task", f.id, "node", n.record.Name,
			"allocation", f.allocation, "error", err)
		return nil
	}
	return err
}
