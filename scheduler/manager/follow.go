package manager

import (
	"context"
	"math/rand/v2"
	"time"

	"cube/scheduler"
	"cube/scheduler/scrape"
	"cube/worker/client"
)

// observe takes what came of a scrape. It is the scraper's sink.
func (m *Manager) observe(result scrape.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nodes[result.Node]
	if n == nil {
		return // removed while it was being read
	}
	err := result.Err
	if err == nil {
		err = m.take(n, result.Reading)
	}
	if err != nil {
		if n.lastError == "" {
			m.log.Warn("A node cannot be read.", "node", result.Node, "error", err)
		}
		n.lastError = err.Error()
		return
	}
	m.heard(n, result.Reading)
}

// take gives a reading to the scheduler. One of a node whose list was not read
// yet, since it joined or came back, is kept until then: what runs there is to
// be known before anything new is placed there.
func (m *Manager) take(n *node, r scheduler.Reading) error {
	if n.listed && !n.down {
		return m.state.Observe(r)
	}
	if err := r.Check(); err != nil {
		return err
	}
	n.unobserved = &r
	return nil
}

// heard notes a good reading.
func (m *Manager) heard(n *node, r scheduler.Reading) {
	if n.lastError != "" || !n.read {
		m.log.Info("A node is being read.", "node", n.record.Name)
	}
	r.Tasks = nil // the scheduler has them; 100,000 need not be held twice
	n.reading, n.readAt, n.spared, n.read, n.lastError = r, r.At, 0, true, ""
	if n.down {
		n.down, n.listed = false, false
		m.log.Info("A node is back.", "node", n.record.Name)
	}
	if n.failures > 0 {
		wake(n.back)
	}
	// A page that tells no generation (node_exporter's) may hide any move.
	moved := !scheduler.Known(r.TasksGeneration) || r.TasksGeneration != float64(n.generation)
	switch {
	case !n.listed || n.lookAgain:
		m.look(n)
	case moved && n.cancelPoll == nil: // a poll under way sees a move by itself
		n.listWanted = true
		m.follow(n)
	}
	m.room(n.record.Name)
}

// look has the worker's whole list read at once.
func (m *Manager) look(n *node) {
	n.listWanted, n.wholeWanted = true, true
	if n.cancelPoll != nil {
		n.cancelPoll()
	}
	m.follow(n)
}

// follow reads the worker's list while there is something to see in it.
func (m *Manager) follow(n *node) {
	if n.following || !n.toFollow() || m.spawn == nil {
		return
	}
	m.setFollowing(n, true)
	m.spawn(func(ctx context.Context) { m.followNode(ctx, n) })
}

// setFollowing keeps count of the nodes whose lists are being read.
func (m *Manager) setFollowing(n *node, following bool) {
	switch {
	case following && !n.following:
		m.following++
	case !following && n.following:
		m.following--
	}
	n.following = following
}

func (n *node) toFollow() bool {
	return !n.down && !n.removed && (n.listWanted || len(n.unsettled) > 0)
}

// poll is one request for a worker's list.
type poll struct {
	worker  Worker
	query   client.TasksQuery
	started uint64 // moment
	timeout time.Duration
}

// followNode reads the worker's list until nothing is expected to change soon:
// at once where that is called for, and else by a request that the worker holds
// until something has changed, so that a change is seen when it happens.
func (m *Manager) followNode(ctx context.Context, n *node) {
	failures := 0
	for {
		p, pollCtx, cancel, ok := m.nextPoll(ctx, n)
		if !ok {
			return
		}
		answer, err := p.worker.Tasks(pollCtx, p.query)
		called := pollCtx.Err() == context.Canceled
		cancel()
		gap := time.Duration(0)
		switch {
		case err == nil:
			failures = 0
			m.reconcile(n, &answer, p.started)
			gap = m.pollGap(&p, &answer)
		case !called:
			failures++
			m.pollFailed(n, err)
			most := min(firstRetry<<min(failures-1, 10), lastRetry)
			gap = most/2 + rand.N(most/2)
		}
		if m.unfollowed(n) {
			return
		}
		if !sleep(ctx, gap) {
			m.unfollow(n)
			return
		}
	}
}

// unfollowed ends following a node if there is nothing to see any more.
func (m *Manager) unfollowed(n *node) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.setFollowing(n, n.toFollow())
	return !n.following
}

// A list costs this much time for each task in it, and is asked for again that
// much later; at the least what changes in quick succession is read together.
// Where many nodes change all the time, a node waits so long that all of them
// together are asked no more than pollsASecond: a change is seen later then, and
// more of them with one request.
const (
	listCost     = 50 * time.Microsecond
	minListGap   = 10 * time.Millisecond
	maxListGap   = time.Second
	pollsASecond = 1000
)

// pollGap is how long after an answer the next one is asked for.
func (m *Manager) pollGap(p *poll, answer *client.TasksAnswer) time.Duration {
	gap := time.Duration(len(answer.Tasks)) * listCost
	if p.query.Wait > 0 {
		m.mu.Lock()
		share := time.Duration(m.following) * time.Second / pollsASecond
		m.mu.Unlock()
		gap = max(gap, share, minListGap)
	}
	return min(gap, maxListGap)
}

// wholeEvery is how often a list that goes on changing is read in whole, though
// nothing calls for it: what changed is all that there should be to see.
const wholeEvery = time.Minute

// nextPoll says what to ask the worker next; ok is false when there is nothing.
func (m *Manager) nextPoll(ctx context.Context, n *node) (p poll, pollCtx context.Context, cancel context.CancelFunc, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil || !n.toFollow() {
		m.setFollowing(n, false)
		return poll{}, nil, nil, false
	}
	p = poll{worker: n.worker, started: m.moment(), timeout: m.cfg.DispatchTimeout}
	if n.listed && !n.wholeWanted {
		p.query.Since = n.generation
		p.query.Changed = n.foreign == 0 && m.now()-n.wholeAt < scheduler.Instant(wholeEvery)
		if !n.listWanted {
			p.query.Wait = m.cfg.PollWait
			p.timeout += m.cfg.PollWait
		}
	}
	n.listWanted, n.wholeWanted = false, false
	pollCtx, cancel = context.WithTimeout(ctx, p.timeout)
	if p.query.Wait > 0 {
		n.cancelPoll = cancel
	}
	return p, pollCtx, cancel, true
}

// pollFailed notes that a worker's list could not be read.
func (m *Manager) pollFailed(n *node, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n.cancelPoll, n.listWanted, n.wholeWanted = nil, true, true
	if n.dispatchError == "" {
		m.log.Warn("A worker's tasks cannot be listed.", "node", n.record.Name, "error", err)
	}
	n.dispatchError = err.Error()
}

func (m *Manager) unfollow(n *node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.setFollowing(n, false)
}

// sleep waits for d and returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
