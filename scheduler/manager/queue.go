package manager

import (
	"slices"
	"strconv"

	"cube/scheduler"
	"cube/worker/task"
)

// queue holds the pending tasks: those to be decided on, in their order, and
// those that fit nowhere now, by what they ask for. Tasks that ask for the same
// share one answer, so that a thousand of them cost one decision, and a node
// that has room wakes just those it could serve.
//
// A task that is not pending any more is dropped when its turn comes.
type queue struct {
	ready   []*entry
	waiting []*class // in the order in which they began to wait
	byKey   map[string]*class
	room    map[string]struct{} // nodes that may have more room than before
	alike   []*entry            // memory for what popAlike returns
	trouble string              // why no task is being placed at all; mostly empty
}

// class is the waiting tasks of one demand, with why they wait.
type class struct {
	key      string
	tasks    []*entry // oldest first
	decision scheduler.Decision
	reason   string
	roused   bool // to be decided on at the next batch
	turn     int  // once it is: how many tasks at a time, more as they fit
}

func newQueue() queue {
	return queue{byKey: map[string]*class{}, room: map[string]struct{}{}}
}

// push appends a pending task.
func (q *queue) push(e *entry) {
	e.waiting = nil
	q.ready = append(q.ready, e)
}

// pushFront puts a task back that had its turn already.
func (q *queue) pushFront(e *entry) {
	e.waiting = nil
	q.ready = slices.Insert(q.ready, 0, e)
}

// pop returns the next task to decide on; nil if there is none. One whose like
// is waiting already joins those.
func (q *queue) pop() *entry {
	for len(q.ready) > 0 {
		e := q.ready[0]
		q.ready[0] = nil
		q.ready = q.ready[1:]
		if !e.pending() {
			continue
		}
		if c := q.byKey[e.waitKey()]; c != nil && c.head() != nil {
			c.add(e)
			continue
		}
		return e
	}
	q.ready = nil // lets go of the array
	return nil
}

// popAlike returns the next task to decide on with those right behind it that
// ask for the same, up to most; none if there is nothing to decide on.
func (q *queue) popAlike(most int) []*entry {
	first := q.pop()
	if first == nil {
		return nil
	}
	tasks := append(q.alike[:0], first)
	for len(tasks) < most && len(q.ready) > 0 && first.alike(q.ready[0]) {
		tasks = append(tasks, q.ready[0])
		q.ready[0] = nil
		q.ready = q.ready[1:]
	}
	q.alike = tasks
	return tasks
}

// alike reports whether two tasks are answered alike, one after the other.
func (e *entry) alike(o *entry) bool {
	return o.pending() && e.key == o.key && e.demand.Name == o.demand.Name &&
		len(e.excluded)+len(o.excluded)+len(e.demand.HostPorts) == 0
}

// wait puts a task aside that the decision found no node for.
func (q *queue) wait(e *entry, d scheduler.Decision) {
	key := e.waitKey()
	c := q.byKey[key]
	if c == nil {
		c = &class{key: key}
		q.byKey[key] = c
		q.waiting = append(q.waiting, c)
	}
	if c.head() == nil {
		c.answer(d)
	}
	c.add(e)
}

// answer notes why the class waits.
func (c *class) answer(d scheduler.Decision) { c.decision, c.reason = d, reasonOf(&d) }

func (c *class) add(e *entry) {
	e.waiting = c
	c.tasks = append(c.tasks, e)
}

// head returns the oldest task of the class that is still pending in it; nil if
// there is none.
func (c *class) head() *entry {
	for len(c.tasks) > 0 {
		if e := c.tasks[0]; e.pending() && e.waiting == c {
			return e
		}
		c.take()
	}
	return nil
}

// heads returns up to n of the oldest tasks that are still pending in the class
// and alike.
func (c *class) heads(n int) []*entry {
	first := c.head()
	if first == nil {
		return nil
	}
	count := 1
	for count < min(n, len(c.tasks)) && c.tasks[count].waiting == c && first.alike(c.tasks[count]) {
		count++
	}
	return c.tasks[:count]
}

func (c *class) take() {
	c.tasks[0] = nil
	c.tasks = c.tasks[1:]
}

// compact drops classes without tasks, and tasks that wait no more.
func (q *queue) compact() {
	q.waiting = slices.DeleteFunc(q.waiting, func(c *class) bool {
		c.tasks = slices.DeleteFunc(c.tasks, func(e *entry) bool { return !e.pending() || e.waiting != c })
		if len(c.tasks) > 0 {
			return false
		}
		delete(q.byKey, c.key)
		return true
	})
}

func (e *entry) pending() bool { return e.record.Task.State == task.Pending }

// waitKey is the key of the class that the task waits in. Who was refused by a
// worker has an answer of its own.
func (e *entry) waitKey() string {
	if len(e.excluded) > 0 {
		return e.key + "|" + e.record.Task.ID.String()
	}
	return e.key
}

// demandOf is what the scheduler needs to know of a task.
func demandOf(t *task.Task) scheduler.Demand {
	d := scheduler.Demand{Task: t.ID, Name: t.Name, Requests: t.Promise()}
	for _, host := range t.PortBindings {
		if port, err := strconv.ParseUint(host, 10, 16); err == nil && port > 0 {
			d.HostPorts = append(d.HostPorts, uint16(port))
		}
	}
	slices.Sort(d.HostPorts)
	for _, text := range t.Constraints {
		// Validate has refused what cannot be parsed.
		if constraint, err := task.ParseConstraint(text); err == nil {
			d.Constraints = append(d.Constraints, constraint)
		}
	}
	return d
}

// appendClassKey appends what is the same for demands that every filter answers
// alike. The name counts only where there is a limit to tasks of one name.
func appendClassKey(key []byte, d *scheduler.Demand, byName bool) []byte {
	key = append(strconv.AppendFloat(key, d.Requests.Cpu, 'g', -1, 64), '|')
	key = append(strconv.AppendInt(key, int64(d.Requests.Memory), 10), '|')
	key = append(strconv.AppendInt(key, int64(d.Requests.Disk), 10), '|')
	for _, port := range d.HostPorts {
		key = append(strconv.AppendUint(key, uint64(port), 10), ' ')
	}
	key = append(key, '|')
	for _, constraint := range d.Constraints {
		key = append(append(key, constraint.String()...), ',')
	}
	if byName {
		key = append(append(key, '|'), d.Name...)
	}
	return key
}
