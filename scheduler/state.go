package scheduler

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// State is what the scheduler knows: nodes, their last readings, and what was
// promised on them. It is a value machine: no clock, no I/O, no goroutine. One
// goroutine at a time may use it.
//
// What a decision looks at of every node is kept in columns, brought up to date
// at the first decision after a change, at the cost of the nodes that changed.
type State struct {
	cfg     Config
	nodes   map[string]*node
	tasks   map[uuid.UUID]*placed
	ports   map[uint16]map[*node]int // live tasks that hold a host port
	names   map[string]map[*node]int // live tasks of a name; only with a spread limit
	predict predictor
	turn    uint64 // placements so far
	spare   []*placed

	columns columns
	scratch query
}

// NewState returns a state without nodes. It refuses a configuration that
// cannot be.
func NewState(cfg Config) (*State, error) {
	if err := cfg.fill(); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	s := &State{
		cfg:     cfg,
		nodes:   make(map[string]*node),
		tasks:   make(map[uuid.UUID]*placed),
		ports:   make(map[uint16]map[*node]int),
		names:   make(map[string]map[*node]int),
		predict: newPredictor(&cfg.Parameters),
	}
	s.columns.init(&s.cfg)
	return s, nil
}

// Errors of readings and placements, for errors.Is.
var (
	ErrUnknownNode = errors.New("no such node")
	ErrNotPlaced   = errors.New("no such task is placed")
	ErrOldReading  = errors.New("a later reading is known")
)

// SetNode adds a node, or changes its labels and whether it drains. A new one
// gets no task before its first reading.
func (s *State) SetNode(n Node) {
	known := s.nodes[n.Name]
	if known == nil {
		known = &node{hash: hashName(n.Name), seen: seen{facts: &facts{node: n.Name}}}
		s.nodes[n.Name] = known
		s.columns.join(known)
	}
	known.Node = n
	s.columns.relabel()
	s.columns.touch(known)
}

// RemoveNode forgets a node and the tasks on it. A node that is not known is no
// fault.
func (s *State) RemoveNode(name string) {
	n := s.nodes[name]
	if n == nil {
		return
	}
	for len(n.live) > 0 {
		t := n.live[len(n.live)-1]
		s.forget(t)
		n.drop(t)
	}
	delete(s.nodes, name)
	s.columns.leave(n)
}

// Observe takes a reading in. It refuses, changing nothing, one with a figure
// that cannot be (a [*MetricError]), one of a node that is not known
// ([ErrUnknownNode]) and one older than the last ([ErrOldReading]).
func (s *State) Observe(r Reading) error {
	n := s.nodes[r.Node]
	if n == nil {
		return fmt.Errorf("reading of node %q: %w", r.Node, ErrUnknownNode)
	}
	if n.read && r.At < n.reading.At {
		return fmt.Errorf("reading of node %q is %v s older than the last: %w", r.Node, (n.reading.At - r.At).Seconds(), ErrOldReading)
	}
	if err := r.Check(); err != nil {
		return err
	}
	n.observe(&r, s.cfg.OvercommitCpu, s.measured, &s.predict)
	s.columns.touch(n)
	return nil
}

// measured returns the live task that a reading speaks of, nil for one that the
// state does not know.
func (s *State) measured(r *TaskReading) *placed { return s.tasks[r.ID] }

// Place says that a task is on a node. A second time for the same task and node
// adds the start time; on another node it moves the task there. The error is
// [ErrUnknownNode], or that the requests cannot be.
func (s *State) Place(p Placement) error {
	n := s.nodes[p.Node]
	if n == nil {
		return fmt.Errorf("placing task %s on node %q: %w", p.Task, p.Node, ErrUnknownNode)
	}
	if err := p.check(); err != nil {
		return err
	}
	if t := s.tasks[p.Task]; t != nil {
		if t.node == n {
			s.started(t, p.StartTime)
			return nil
		}
		s.remove(t, End{At: p.At, FinishTime: Absent()})
	}
	s.place(n, &p.Demand, p.At, p.StartTime, s.predict.predict(kind{nanocores(p.Requests.Cpu), p.Name}))
	s.columns.touch(n)
	return nil
}

// place puts a new task on a node: from at on, since start on the worker's
// clock. It is expected to use what one of its kind does. The columns are left to
// the caller.
func (s *State) place(n *node, d *Demand, at Instant, start float64, expects estimate) {
	t := s.unused() // field by field: as one value it would be written twice
	t.id, t.name, t.at = d.Task, d.Name, at
	t.cpu, t.memory, t.disk = nanocores(d.Requests.Cpu), int64(d.Requests.Memory), int64(d.Requests.Disk)
	t.ports = slices.Clone(d.HostPorts)
	t.start, t.finish, t.ended = start, Absent(), running
	t.meter = newMeter()
	t.kind = kind{t.cpu, t.name}
	s.turn++
	n.turn = s.turn
	n.add(t, expects)
	s.tasks[t.id] = t
	for _, port := range t.ports {
		count(s.ports, port, n, 1)
	}
	if s.cfg.SpreadLimit > 0 && t.name != "" {
		count(s.names, t.name, n, 1)
	}
}

func (s *State) started(t *placed, start float64) {
	if !Known(start) || start == t.start {
		return
	}
	t.node.release(t)
	t.start = start
	t.node.hold(t, t.meter.estimate(t.kind, &s.predict))
	s.columns.touch(t.node)
}

// Remove says that a task ended or left its node. Its promise is free at once;
// what it used stays in the node's window as long as the window holds it. The
// error is [ErrNotPlaced].
func (s *State) Remove(id uuid.UUID, e End) error {
	t := s.tasks[id]
	if t == nil {
		return fmt.Errorf("task %s ended: %w", id, ErrNotPlaced)
	}
	s.remove(t, e)
	return nil
}

func (s *State) remove(t *placed, e End) {
	n := t.node
	s.forget(t)
	n.drop(t)
	t.finish, t.ended = e.FinishTime, e.At
	if n.leave(t) {
		n.gone = append(n.gone, t)
	} else {
		s.discard(t)
	}
	s.columns.touch(n)
}

// sparesKept bounds how many tasks' memory is kept for the next.
const sparesKept = 4096

// unused returns memory for a task, all zero.
func (s *State) unused() *placed {
	last := len(s.spare) - 1
	if last < 0 {
		return new(placed)
	}
	t := s.spare[last]
	s.spare = s.spare[:last]
	return t
}

// discard keeps the memory of a task that nothing knows any more.
func (s *State) discard(t *placed) {
	if len(s.spare) < sparesKept {
		*t = placed{}
		s.spare = append(s.spare, t)
	}
}

// forget takes t out of the indexes.
func (s *State) forget(t *placed) {
	delete(s.tasks, t.id)
	for _, port := range t.ports {
		count(s.ports, port, t.node, -1)
	}
	if s.cfg.SpreadLimit > 0 && t.name != "" {
		count(s.names, t.name, t.node, -1)
	}
}

// count adds to how often a node has a key, and keeps no zeros.
func count[K comparable](index map[K]map[*node]int, key K, n *node, add int) {
	nodes := index[key]
	if nodes == nil {
		nodes = make(map[*node]int)
		index[key] = nodes
	}
	nodes[n] += add
	if nodes[n] > 0 {
		return
	}
	delete(nodes, n)
	if len(nodes) == 0 {
		delete(index, key)
	}
}

// Inspect returns what a node looks like at now, and how far that can be
// trusted; false for a node that is not known.
func (s *State) Inspect(name string, now Instant) (Inputs, NodeHealth, bool) {
	n := s.nodes[name]
	if n == nil {
		return Inputs{}, "", false
	}
	var f Figures
	n.figuresAt(now, &s.cfg, &f)
	return f.Inputs(), n.health(now, &s.cfg), true
}
