package manager

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/scheduler/scrape"
	"cube/worker/task"
	"cube/worker/wire"
)

// node is one worker with what the manager knows of it. The manager's lock
// guards it.
type node struct {
	record NodeRecord
	worker Worker

	tasks     map[uuid.UUID]*entry // live tasks whose place this is
	unsettled map[uuid.UUID]*entry // of those: the ones about to change

	joined    scheduler.Instant // since when it has been known to this manager
	reading   scheduler.Reading // the last one; its tasks are left out
	readAt    scheduler.Instant // of the reading; joined while there is none
	spared    scheduler.Instant // of the time since readAt: nobody listened
	read      bool              // there is a reading
	down      bool              // it lost its tasks
	lastError string            // of reading it
	// unobserved is a reading that waits for the worker's list.
	unobserved *scheduler.Reading
	removed    bool // it is not part of the fleet any more

	// What the worker's list said last.
	listed     bool // it has been listed since it was joined or came back
	listWanted bool // something calls for a look at the list
	// wholeWanted says that what has changed in it would not do.
	wholeWanted bool
	wholeAt     scheduler.Instant // when the whole list was read
	lookAgain   bool              // what it said could not be acted on yet
	generation  uint64
	foreign     int // running tasks there that Cube's manager did not start
	following   bool
	moving      bool               // a goroutine moves its tasks elsewhere
	cancelPoll  context.CancelFunc // ends a poll under way; nil outside of one

	// Operations for it.
	queue    []operation
	active   int // goroutines that work them off
	failures int // attempts in a row that got no answer
	// dispatchError is why the last of those got none.
	dispatchError string
	back          chan struct{} // holds a token once the node was heard of
}

// NodeStates lists the states of a node in the order in which a node passes
// them.
var NodeStates = [...]wire.NodeState{wire.NodeUnknown, wire.NodeReady, wire.NodeStale, wire.NodeDraining, wire.NodeDown}

// setNode makes a node known, or brings its record up to date.
func (m *Manager) setNode(record NodeRecord) error {
	n := m.nodes[record.Name]
	if n == nil || n.record.URL != record.URL {
		worker, err := m.cfg.NewWorker(record.URL)
		if err != nil {
			return fmt.Errorf("the node %s: %w", record.Name, err)
		}
		now := m.now()
		if n == nil {
			n = &node{tasks: map[uuid.UUID]*entry{}, unsettled: map[uuid.UUID]*entry{}, back: make(chan struct{}, 1)}
			m.nodes[record.Name] = n
		}
		delete(m.urls, n.record.URL)
		m.urls[record.URL] = record.Name
		// What was read and listed at another URL says nothing about this one.
		n.worker, n.joined, n.readAt, n.spared, n.read, n.listed = worker, now, now, 0, false, false
		n.reading, n.lastError, n.unobserved = scheduler.Reading{}, "", nil
	}
	n.record = record
	m.state.SetNode(scheduler.Node{Name: record.Name, Labels: record.Labels, Draining: record.Draining})
	m.room(record.Name)
	wake(m.watchdogWake)
	return nil
}

// changeNodes saves records of nodes with one transaction and, once they are on
// disk, makes them true.
func (m *Manager) changeNodes(records ...NodeRecord) error {
	if len(records) == 0 {
		return nil
	}
	m.mu.Lock()
	saved := m.journal.append(Changes{Nodes: records})
	m.mu.Unlock()
	if err := saved.wait(); err != nil {
		return unavailable(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, record := range records {
		errs = append(errs, m.setNode(record))
	}
	m.scraper.SetTargets(m.targets())
	return errors.Join(errs...)
}

// Join makes a worker known, or brings URL and labels of a known one up to date,
// and returns once that is on disk.
func (m *Manager) Join(_ context.Context, join wire.Join) (wire.Node, error) {
	record, err := nodeRecord(join, OriginJoin)
	if err != nil {
		return wire.Node{}, err
	}
	m.nodeChanges.Lock()
	defer m.nodeChanges.Unlock()
	if err := m.add([]NodeRecord{record}, func(_ *NodeRecord, refused error) { err = refused }); err != nil {
		return wire.Node{}, err
	}
	if err != nil {
		return wire.Node{}, err
	}
	return m.Node(record.Name)
}

// add saves nodes and makes them true, all together; those that nothing is new
// about are left as they are, and those that cannot be are told to refused. The
// caller holds nodeChanges.
func (m *Manager) add(records []NodeRecord, refused func(*NodeRecord, error)) error {
	var fresh []NodeRecord
	taken := map[string]string{} // URL → name, of fresh
	m.mu.Lock()
	for i := range records {
		record := records[i]
		owner := m.urls[record.URL]
		if owner == "" {
			owner = taken[record.URL]
		}
		if owner != "" && owner != record.Name {
			refused(&record, wire.New(wire.CodeInvalid, "URL: %s is the node %s already", record.URL, owner).WithField("URL"))
			continue
		}
		if m.renew(&record) {
			fresh = append(fresh, record)
			taken[record.URL] = record.Name
		}
	}
	m.mu.Unlock()
	if err := m.changeNodes(fresh...); err != nil {
		return err
	}
	for i := range fresh {
		m.log.Info("A node joined.", "node", fresh[i].Name, "url", fresh[i].URL)
	}
	return nil
}

// renew takes over what a node has been told before and is not part of a join,
// and reports whether anything is new about the node.
func (m *Manager) renew(record *NodeRecord) bool {
	n := m.nodes[record.Name]
	if n == nil {
		return true
	}
	old := &n.record
	record.Draining, record.MoveBy = old.Draining, old.MoveBy
	return old.URL != record.URL || old.Origin != record.Origin || old.Metrics != record.Metrics || !maps.Equal(old.Labels, record.Labels)
}

// nodeRecord checks what was asked to join.
func nodeRecord(join wire.Join, origin Origin) (NodeRecord, error) {
	base, err := url.Parse(join.URL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || !isAddress(base) {
		return NodeRecord{}, wire.New(wire.CodeInvalid, "URL: %q is not a worker's URL; want http://host:port", join.URL).WithField("URL")
	}
	if base.User != nil {
		return NodeRecord{}, wire.New(wire.CodeInvalid, "URL: credentials do not belong in it; the manager's HTTP configuration has them").WithField("URL")
	}
	base.RawQuery, base.Fragment = "", ""
	record := NodeRecord{
		Name: join.Name, URL: strings.TrimSuffix(base.String(), "/"),
		Labels: maps.Clone(join.Labels), Origin: origin,
	}
	if record.Name == "" {
		record.Name = base.Host
	}
	if join.Metrics != nil {
		if err := checkMetricsFrom(join.Metrics); err != nil {
			return NodeRecord{}, err
		}
		record.Metrics = *join.Metrics
	}
	if len(record.Name) > maxNodeName || strings.ContainsFunc(record.Name, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }) {
		return NodeRecord{}, wire.New(wire.CodeInvalid, "Name: %q is not a node's name: want up to %d characters without blanks and slashes", record.Name, maxNodeName).WithField("Name")
	}
	return record, nil
}

// isAddress reports whether the URL names a host, and a port if anything
// follows the host.
func isAddress(base *url.URL) bool {
	if base.Port() == "" {
		return base.Hostname() != "" && !strings.HasSuffix(base.Host, ":")
	}
	port, err := strconv.ParseUint(base.Port(), 10, 16)
	return base.Hostname() != "" && err == nil && port > 0
}

const maxNodeName = 253 // as long as a host name may be

// RemoveNode takes a node out of the fleet. One that has live tasks is refused,
// unless force is set: then they are placed anew at once, and what still runs
// there is no business of Cube's any more.
func (m *Manager) RemoveNode(_ context.Context, name string, force bool) error {
	m.nodeChanges.Lock()
	defer m.nodeChanges.Unlock()
	m.mu.Lock()
	n := m.nodes[name]
	if n == nil {
		m.mu.Unlock()
		return notFound("node", name)
	}
	if len(n.tasks) > 0 && !force {
		count := len(n.tasks)
		m.mu.Unlock()
		return wire.New(wire.CodeIllegalTransition, "the node %s has %d live tasks; drain it first, or force it", name, count)
	}
	saved := m.journal.append(Changes{Nodes: []NodeRecord{{Name: name, Removed: true}}})
	m.mu.Unlock()
	if err := saved.wait(); err != nil {
		return unavailable(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropNode(n, "its node was removed")
	m.scraper.SetTargets(m.targets())
	m.log.Info("A node was removed.", "node", name)
	return nil
}

// dropNode forgets a node; its tasks are placed anew.
func (m *Manager) dropNode(n *node, why string) {
	for _, e := range n.sortedTasks() {
		m.lose(e, why)
	}
	n.clearQueue()
	n.removed = true
	if n.cancelPoll != nil {
		n.cancelPoll()
	}
	m.state.RemoveNode(n.record.Name)
	delete(m.nodes, n.record.Name)
	delete(m.urls, n.record.URL)
}

// clearQueue drops the operations that wait.
func (n *node) clearQueue() {
	for i := range n.queue {
		if e := n.queue[i].e; e != nil {
			e.queued = false
		}
	}
	n.queue = nil
}

// sortedTasks are the node's live tasks in the order of Seq.
func (n *node) sortedTasks() []*entry {
	return slices.SortedFunc(maps.Values(n.tasks), bySeq)
}

func bySeq(a, b *entry) int {
	switch {
	case a.record.Seq < b.record.Seq:
		return -1
	case a.record.Seq > b.record.Seq:
		return 1
	default:
		return 0
	}
}

// targets is what is to be scraped.
func (m *Manager) targets() []scrape.Target {
	targets := make([]scrape.Target, 0, len(m.nodes))
	for _, n := range m.nodes {
		targets = append(targets, n.record.target())
	}
	slices.SortFunc(targets, func(a, b scrape.Target) int { return strings.Compare(a.Node, b.Node) })
	return targets
}

// silence is for how long the node was listened to and not heard of.
func (n *node) silence(now scheduler.Instant) scheduler.Instant { return now - n.readAt - n.spared }

// state is what the node is at an instant.
func (n *node) state(now scheduler.Instant, cfg *scheduler.Config) wire.NodeState {
	age := now - n.readAt
	switch {
	case n.down || n.silence(now) > scheduler.Instant(cfg.DownAfter):
		return wire.NodeDown
	case n.record.Draining:
		return wire.NodeDraining
	case !n.read || !n.listed:
		return wire.NodeUnknown
	case age > scheduler.Instant(cfg.StaleAfter):
		return wire.NodeStale
	default:
		return wire.NodeReady
	}
}

// nodesAtATime are looked at while the lock is held: some tenths of a
// millisecond.
const nodesAtATime = 512

// Nodes yields the nodes by name, each as it was at a moment of the call: a long
// list is put together in steps, between which the manager goes on. A node is
// good until the next one is asked for.
func (m *Manager) Nodes() iter.Seq[*wire.Node] {
	return func(yield func(*wire.Node) bool) {
		m.mu.Lock()
		names := slices.AppendSeq(make([]string, 0, len(m.nodes)), maps.Keys(m.nodes))
		m.mu.Unlock()
		slices.Sort(names)
		var some []described
		for batch := range slices.Chunk(names, nodesAtATime) {
			some = m.describeAll(batch, some)
			for i := range some {
				if !yield(&some[i].node) {
					return
				}
			}
		}
	}
}

// describeAll returns what there is to say of those nodes that there still are,
// in the memory of an earlier answer.
func (m *Manager) describeAll(names []string, into []described) []described {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	into = slices.Grow(into[:0], len(names))[:len(names)]
	count := 0
	for _, name := range names {
		if n := m.nodes[name]; n != nil {
			m.describe(n, now, &into[count])
			count++
		}
	}
	return into[:count]
}

// Node returns one node; an unknown one is the error not_found.
func (m *Manager) Node(name string) (wire.Node, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nodes[name]
	if n == nil {
		return wire.Node{}, notFound("node", name)
	}
	var d described
	m.describe(n, m.now(), &d)
	return d.node, nil
}

// described is a node as it is shown, with what that points to.
type described struct {
	node        wire.Node
	metrics     wire.MetricsFrom
	allocatable task.Resources
	figures     figures
}

// describe says what there is to say of a node.
func (m *Manager) describe(n *node, now scheduler.Instant, into *described) {
	shown, f := &into.node, &into.figures
	f.n = 0
	*shown = wire.Node{
		Name: n.record.Name, URL: n.record.URL, Labels: n.record.Labels,
		State: n.state(now, &m.cfg.Scheduler), LastError: n.lastError, Tasks: len(n.tasks),
	}
	if n.record.Metrics != (wire.MetricsFrom{}) {
		into.metrics = n.record.Metrics
		shown.Metrics = &into.metrics
	}
	for _, e := range n.tasks {
		shown.Promised = shown.Promised.Add(e.demand.Requests)
	}
	if shown.LastError == "" {
		shown.LastError = n.dispatchError
	}
	if !n.read {
		return
	}
	r := &n.reading
	shown.ReadingAge = f.known((now - n.readAt).Seconds())
	shown.CpuUsageRatio, shown.CpuCores = f.known(r.CpuUsage), f.known(r.CpuCores)
	shown.MemoryTotal, shown.MemoryAvailable = f.known(r.MemoryTotal), f.known(r.MemoryAvailable)
	shown.DiskTotal, shown.DiskAvailable = f.known(r.DiskTotal), f.known(r.DiskAvailable)
	shown.Load1 = f.known(r.Load1)
	if scheduler.Known(r.AllocatableCpu) && scheduler.Known(r.AllocatableMemory) && scheduler.Known(r.AllocatableDisk) {
		into.allocatable = task.Resources{
			Cpu: r.AllocatableCpu, Memory: task.Bytes(r.AllocatableMemory), Disk: task.Bytes(r.AllocatableDisk),
		}
		shown.Allocatable = &into.allocatable
	}
}

// figures is room for those of a node that are known.
type figures struct {
	room [8]float64
	n    int
}

// known is nil for a figure that was not read.
func (f *figures) known(v float64) *float64 {
	if !scheduler.Known(v) {
		return nil
	}
	p := &f.room[f.n]
	*p = v
	f.n++
	return p
}
