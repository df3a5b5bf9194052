package manager

import (
	"context"
	"fmt"
	"time"

	"cube/scheduler"
)

// forgetInterval is how often ended tasks are looked through.
const forgetInterval = time.Minute

// watchdog does what time alone calls for, until ctx ends: nodes that were not
// heard of for too long lose their tasks, what did not reach the disk is
// written again, and tasks that ended long ago are forgotten.
func (m *Manager) watchdog(ctx context.Context) {
	forget := time.NewTicker(forgetInterval)
	defer forget.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-forget.C:
			m.mu.Lock()
			m.forget(time.Now())
			m.mu.Unlock()
			continue
		case <-m.watchdogWake:
		case <-timer.C:
		}
		timer.Reset(time.Duration(min(m.expireNodes(), m.heartbeat())))
	}
}

// heartbeats is how often the watchdog looks at the clock in a node timeout, at
// least.
const heartbeats = 16

func (m *Manager) heartbeat() scheduler.Instant {
	return scheduler.Instant(m.cfg.Scheduler.DownAfter) / heartbeats
}

// spare leaves out of the nodes' silence the time in which nobody listened: this
// program was stopped, its machine suspended or busy with others beyond measure.
// Without that it would give up a whole fleet that was there all the time.
func (m *Manager) spare(now scheduler.Instant) {
	gap := now - m.awake
	m.awake = now
	if gap <= 2*m.heartbeat() {
		return
	}
	stood := gap - m.heartbeat()
	m.log.Warn("The manager stood still; no node is given up for that time.", "duration", time.Duration(stood))
	for _, n := range m.nodes {
		n.spared = min(n.spared+stood, now-n.readAt)
	}
}

// expireNodes takes the tasks from every node that is down by now, and returns
// how long it is until the next one could be.
func (m *Manager) expireNodes() scheduler.Instant {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, timeout := m.now(), scheduler.Instant(m.cfg.Scheduler.DownAfter)
	m.spare(now)
	next := timeout
	for _, n := range m.nodes {
		if n.down {
			continue
		}
		// As the scheduler has it: down is what is older than the timeout.
		if left := timeout - n.silence(now); left >= 0 {
			next = min(next, left+1)
			continue
		}
		m.expire(n)
	}
	if len(m.unsaved) > 0 {
		if m.saveAt <= now {
			m.saveAgain()
		} else {
			next = min(next, m.saveAt-now)
		}
	}
	return next
}

// expire places a node's tasks anew. Its worker may still run them, cut off
// from here: once it is heard of, it is told to stop what was placed elsewhere.
func (m *Manager) expire(n *node) {
	n.down = true
	n.clearQueue()
	if n.cancelPoll != nil {
		n.cancelPoll()
	}
	tasks := n.sortedTasks()
	m.log.Warn("A node is down; its tasks are placed anew.", "node", n.record.Name, "tasks", len(tasks))
	why := fmt.Sprintf("the node %s was not heard of for %v", n.record.Name, m.cfg.Scheduler.DownAfter)
	for _, e := range tasks {
		m.lose(e, why)
	}
}
