package manager

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sort"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// Filter narrows a list of tasks; the zero value keeps all.
type Filter struct {
	States []task.State // empty: all
	Node   string       // placed there
	Name   string
	// After leaves out the tasks up to and including this cursor, Limit is
	// how many to return at most; 0 is no limit.
	After uint64
	Limit int
}

// Page is a part of the list of tasks, in the order in which they were accepted.
type Page struct {
	chosen []shown
	// Next is the cursor to go on from; 0 when this is the end.
	Next uint64
}

// shown is a task in a list. Records never change.
type shown struct {
	record *Record
	reason string
}

// Len is how many tasks are on the page.
func (p *Page) Len() int { return len(p.chosen) }

// All yields the tasks, each good until the next one is asked for. The values of
// Env are masked; what else a task points to is the manager's own, and to be left
// as it is.
func (p *Page) All() iter.Seq[*wire.PlacedTask] {
	return func(yield func(*wire.PlacedTask) bool) {
		var placed wire.PlacedTask // one for all: a hundred thousand are a lot of garbage
		for i := range p.chosen {
			placed = p.chosen[i].record.placed(p.chosen[i].reason)
			if !yield(&placed) {
				return
			}
		}
	}
}

// Tasks lists tasks, each as it was at a moment of the call: a long list is put
// together in steps, between which the manager goes on. What was accepted before
// the call is listed, and nothing twice.
func (m *Manager) Tasks(f Filter) Page {
	var page Page
	for after, more := f.After, true; more; {
		after, more = m.choose(&f, after, &page)
	}
	return page
}

// tasksAtATime are looked at while the lock is held: some tenths of a
// millisecond.
const tasksAtATime = 4096

// choose looks at the next tasks behind a cursor. It returns the cursor behind
// them and whether there is more to look at.
func (m *Manager) choose(f *Filter, after uint64, page *Page) (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := m.after(after)
	to := min(from+tasksAtATime, len(m.order))
	for _, e := range m.order[from:to] {
		if after = e.record.Seq; !f.keeps(e.record) {
			continue
		}
		if f.Limit > 0 && len(page.chosen) == f.Limit {
			page.Next = page.chosen[len(page.chosen)-1].record.Seq
			return after, false
		}
		page.chosen = append(page.chosen, shown{e.record, m.pendingReason(e)})
	}
	return after, to < len(m.order)
}

// after is the index of the first task with a greater Seq.
func (m *Manager) after(seq uint64) int {
	return sort.Search(len(m.order), func(i int) bool { return m.order[i].record.Seq > seq })
}

func (f *Filter) keeps(r *Record) bool {
	if f.Node != "" && r.Node != f.Node || f.Name != "" && r.Task.Name != f.Name {
		return false
	}
	return len(f.States) == 0 || slices.Contains(f.States, r.Task.State)
}

// Task returns one task. An unknown one is the error not_found.
func (m *Manager) Task(id uuid.UUID) (wire.PlacedTask, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.entryOf(id)
	if err != nil {
		return wire.PlacedTask{}, err
	}
	return e.record.placed(m.pendingReason(e)), nil
}

// Decision returns the last decision about a task: the one that placed it, or
// the one that found no node.
func (m *Manager) Decision(id uuid.UUID) (scheduler.Decision, error) {
	m.mu.Lock()
	e, err := m.entryOf(id)
	if err != nil {
		m.mu.Unlock()
		return scheduler.Decision{}, err
	}
	seq := e.record.Seq
	if e.pending() && e.waiting != nil {
		d := e.waiting.decision
		m.mu.Unlock()
		d.Task = id // it was made for another that asks for the same
		return d, nil
	}
	m.mu.Unlock()
	d, found, err := m.cfg.Store.Decision(seq)
	switch {
	case err != nil:
		return scheduler.Decision{}, err
	case !found:
		return scheduler.Decision{}, wire.New(wire.CodeNoDecision, "the task %s was not decided on yet", id)
	}
	return d, nil
}

// Logs returns a task's output as its worker streams it; the caller closes it.
func (m *Manager) Logs(ctx context.Context, id uuid.UUID, q client.LogQuery) (io.ReadCloser, error) {
	m.mu.Lock()
	e, err := m.entryOf(id)
	if err != nil {
		m.mu.Unlock()
		return nil, err
	}
	name := e.record.Node
	n := m.nodes[name]
	if n == nil {
		m.mu.Unlock()
		return nil, wire.New(wire.CodeNotFound, "the task %s is on no node, so it has no output", id)
	}
	worker := n.worker
	m.mu.Unlock()
	output, err := worker.Logs(ctx, id, q)
	var refused *wire.Error
	if err != nil && !errors.As(err, &refused) {
		return nil, wire.New(wire.CodeWorkerUnreachable, "the worker of %s, which has the output: %v", name, err)
	}
	return output, err
}

// Backup writes a consistent copy of the store while it is in use, and returns
// how many bytes that were.
func (m *Manager) Backup(w io.Writer) (int64, error) { return m.cfg.Store.Backup(w) }
