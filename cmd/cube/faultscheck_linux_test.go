package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	scheduling "cube/scheduler/client"
	working "cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// A fleet that works again comes to rest within settleTimeout, also on a machine
// that has much else to do; mostly it takes seconds. What it waited for is told
// where it took longer than settleLong.
const (
	settleTimeout = 5 * time.Minute
	settleLong    = 20 * time.Second
	settlePoll    = 100 * time.Millisecond
)

// settle waits until nothing is on its way any more: all nodes are ready, every
// live task runs, those that are to end have ended, and the workers list what the
// manager says. It leaves that in live.
func (r *trial) settle() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), settleTimeout)
	defer cancel()
	began := time.Now()
	var waits []string // for what, one after the other
	for before := ""; ; {
		why := r.unsettled(ctx)
		if why == nil {
			break
		}
		if ctx.Err() != nil {
			r.t.Fatalf("%s the fleet does not come to rest within %v: %v\nreplay as said above; logs are in %s", stamp(), settleTimeout, why, r.keepLogs())
		}
		if text := why.Error(); text != before {
			waits, before = append(waits, stamp()+" "+text), text
		}
		waitUntil(ctx, settlePoll)
	}
	if time.Since(began) > settleLong {
		r.t.Logf("%s at rest, after\n%s", stamp(), strings.Join(waits, "\n"))
	}
}

// unsettled says what is still on its way.
func (r *trial) unsettled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	nodes, err := r.client.Nodes(ctx)
	if err != nil {
		return err
	}
	if len(nodes) != len(r.workers) {
		return fmt.Errorf("%d nodes have joined", len(nodes))
	}
	for _, n := range nodes {
		if n.State != wire.NodeReady || n.LastError != "" {
			return fmt.Errorf("%s is %s: %s", n.Name, n.State, n.LastError)
		}
	}
	listed, err := r.client.ListTasks(ctx, scheduling.TasksQuery{State: []task.State{task.Pending, task.Scheduled, task.Running}})
	if err != nil {
		return err
	}
	known := map[string]*order{}
	r.orders.set(func() {
		for _, a := range r.orders.all {
			known[a.id] = a
		}
	})
	r.live = map[string]place{}
	places := map[string]map[uuid.UUID]uint64{} // by node: the allocation of each task
	for _, p := range listed.Tasks {
		a := known[p.ID.String()]
		switch {
		case a == nil:
			return fmt.Errorf("nobody asked for task %s", p.ID)
		case p.State != task.Running, a.ends, p.StopRequested:
			return fmt.Errorf("task %s is %s on %q, allocation %d, to stop: %v, %s", p.ID, p.State, p.Node, p.Allocation, p.StopRequested, p.PendingReason)
		}
		r.live[a.id] = place{order: a, on: r.member(p.Node), run: fmt.Sprintf("%s-%d-%d", a.id, p.Allocation, p.RestartCount)}
		if places[p.Node] == nil {
			places[p.Node] = map[uuid.UUID]uint64{}
		}
		places[p.Node][p.ID] = p.Allocation
	}
	for _, m := range r.workers {
		if err := m.disagrees(ctx, places[m.name]); err != nil {
			return err
		}
	}
	return r.unrestarted(ctx)
}

// unrestarted names a task that has ended and is to be started again.
func (r *trial) unrestarted(ctx context.Context) error {
	var due *order
	r.orders.set(func() {
		for _, a := range r.orders.all {
			if _, runs := r.live[a.id]; !runs && a.accepted && !a.stopSent && !a.done && a.request.RestartPolicy != "" {
				due = a
				return
			}
		}
	})
	if due == nil {
		return nil
	}
	answer, err := r.client.Task(ctx, due.request.ID)
	if err != nil {
		return err
	}
	return fmt.Errorf("task %s is %s, and starts again whatever happens", due.id, standing(&answer))
}

// disagrees says how a worker's list differs from what the manager says.
func (m *member) disagrees(ctx context.Context, places map[uuid.UUID]uint64) error {
	answer, err := m.worker().Tasks(ctx, working.TasksQuery{})
	if err != nil {
		return err
	}
	live := 0
	for _, t := range answer.Tasks {
		if t.State.Ended() {
			continue
		}
		live++
		if t.State != task.Running || places[t.ID] != t.Allocation {
			return fmt.Errorf("%s has allocation %d of task %s, %s; the manager has %d there", m.name, t.Allocation, t.ID, t.State, places[t.ID])
		}
	}
	if live != len(places) {
		return fmt.Errorf("%s has %d live tasks; the manager has %d there", m.name, live, len(places))
	}
	return nil
}

// check holds what is there against what clients were told and what is promised.
func (r *trial) check() {
	r.t.Helper()
	r.checkTasks()
	r.checkMachine()
	r.checkDowns()
	r.checkWatch()
	r.checkUsage()
}

// checkTasks looks at every task that could have changed in the round.
func (r *trial) checkTasks() {
	ctx, cancel := context.WithTimeout(r.t.Context(), settleTimeout)
	defer cancel()
	var open []*order
	r.orders.set(func() {
		for _, a := range r.orders.all {
			if !a.done {
				open = append(open, a)
			}
		}
	})
	for _, a := range open {
		answer, err := r.client.Task(ctx, a.request.ID)
		if errors.Is(err, wire.New(wire.CodeNotFound, "")) {
			if a.accepted {
				r.t.Errorf("task %s was accepted and is lost", a.id)
			}
			a.done = true // and if it is asked for again, it is accepted then
			continue
		}
		if err == nil {
			err = errors.Join(r.believe(a, &answer), r.checkTask(a, &answer))
		}
		if err != nil {
			r.t.Errorf("task %s (stop sent %v, acknowledged %v; ends %v, with %d), allocation %d, is %s on %q: %s\n%v\n%s",
				a.id, a.stopSent, a.stopped, a.ends, a.code, answer.Allocation, ending(&answer), answer.Node, answer.Error, err, r.read(a.id))
		}
		a.done = answer.State.Ended()
	}
}

// checkTask says what is wrong about a task at rest.
func (r *trial) checkTask(a *order, got *wire.PlacedTask) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	runs, err := r.runs(a.id)
	if err != nil {
		return err
	}
	switch {
	case got.State == task.Running:
		if a.stopped || a.ends {
			wrong("it still runs")
		}
		if runs.begun[got.Allocation] == 0 {
			wrong("it was never begun")
		}
	case a.stopSent && got.StopRequested:
		// Before it ran, while it did, or after: all is possible, but for an
		// end that is not its own and not that of a stop.
		if got.ExitCode != nil && *got.ExitCode != a.code && *got.ExitCode != 143 && *got.ExitCode != 137 {
			wrong("an invented exit code")
		}
	case runs.begun[got.Allocation] == 0 && got.State == task.Failed && got.ExitCode == nil && strings.Contains(got.Error, syscall.ENOSPC.Error()):
		// It is said that it could not be started, and why, and it was not: not
		// where it was placed last, at least.
	case !a.ends:
		wrong("it ended by itself")
	case got.ExitCode == nil || *got.ExitCode != a.code || (a.code == 0) != (got.State == task.Completed):
		wrong("that is not how it ends")
	case runs.ended == 0:
		wrong("it never came to its end")
	}
	for _, twice := range runs.twice {
		if !r.notes.lost(a.id, twice[0], twice[1]) {
			wrong("allocation %d ran while %d still did, and no node was lost", twice[1], twice[0])
		}
	}
	for i, allocation := range runs.order {
		if n := runs.begun[allocation]; n != 1 && a.request.RestartPolicy == "" {
			wrong("allocation %d was begun %d times", allocation, n)
		}
		if i == 0 {
			continue
		}
		// An order can reach a worker that was given up, too.
		before := runs.order[i-1]
		from, to := min(before, allocation), max(before, allocation)
		if !r.notes.lost(a.id, from, to) && !r.notes.drained(a.id, from, to) {
			wrong("allocation %d was begun after %d, and no node was lost or drained", allocation, before)
		}
	}
	for _, run := range runs.again {
		wrong("the run %s was begun twice", run)
	}
	return errors.Join(errs...)
}

// runs is what a task wrote down about its runs.
type runs struct {
	order []uint64       // the allocations, as they began
	begun map[uint64]int // how often each did
	ended int            // runs that came to their own end
	twice [][2]uint64    // an allocation that was still there when another began
	again []string       // runs that began more than once
}

func (r *trial) read(id string) string {
	text, err := os.ReadFile(filepath.Join(r.ledger, id))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (r *trial) runs(id string) (runs, error) {
	found := runs{begun: map[uint64]int{}}
	file, err := os.Open(filepath.Join(r.ledger, id))
	if errors.Is(err, os.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	defer file.Close()
	started := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 3 {
			return found, fmt.Errorf("the ledger says %q", lines.Text())
		}
		allocation, err := allocationOf(words[1])
		if err != nil {
			return found, err
		}
		switch words[0] {
		case "start":
			if started[words[1]] {
				found.again = append(found.again, words[1])
			}
			started[words[1]] = true
			if found.begun[allocation]++; found.begun[allocation] == 1 {
				found.order = append(found.order, allocation)
			}
		case "end":
			found.ended++
		case "twice":
			later, err := allocationOf(words[2])
			if err != nil {
				return found, err
			}
			if allocation > later { // both began at once, and each saw the other
				allocation, later = later, allocation
			}
			found.twice = append(found.twice, [2]uint64{allocation, later})
		}
	}
	return found, nil
}

// allocationOf takes the allocation from a run's name, task-allocation-restart.
func allocationOf(run string) (uint64, error) {
	parts := strings.Split(run, "-")
	if len(parts) < 3 {
		return 0, fmt.Errorf("the run %q has no allocation", run)
	}
	return strconv.ParseUint(parts[len(parts)-2], 10, 64)
}

// place is where a live task is, as the manager says.
type place struct {
	order *order
	on    *member
	run   string // which run of the task
}

// checkMachine makes sure that the machine runs what is live, each once and where
// it is said to be, and nothing else.
func (r *trial) checkMachine() {
	found := processesNaming(r.t, r.ledger)
	for id, p := range r.live {
		if len(found[id]) != 1 {
			r.t.Errorf("task %s is said to run, and these processes are: %v\n%s", id, found[id], r.read(id))
			continue
		}
		pid := found[id][0]
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			r.t.Errorf("task %s has ended by itself: %v", id, err)
		} else if !strings.Contains(string(environ), "CUBE_RUN="+p.run+"\x00") || !p.on.host.Has(pid) {
			r.t.Errorf("process %d of task %s is not run %s on %s", pid, id, p.run, p.on.name)
		}
	}
	for id, processes := range found {
		if _, is := r.live[id]; !is {
			r.t.Errorf("task %s has orphans: %v\n%s", id, processes, r.read(id))
		}
	}
}

// checkDowns: no node was given up that could be reached until shortly before.
func (r *trial) checkDowns() {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	// A reading is this old at most when the next one comes, and what is older
	// than the timeout says that none came for the rest of it. Within that, so
	// many probes in a row cannot have come through.
	const margin, enough = 2*faultInterval + faultInterval, 4
	for _, down := range r.notes.downs[r.notes.judged:] {
		reached := 0
		for _, at := range r.notes.reached[down.node] {
			if age := down.at.Sub(at); age > 0 && age < faultTimeout-margin {
				reached++
			}
		}
		if reached >= enough && !r.blurred {
			r.t.Errorf("%s was given up at %s, and was reached %d times in the node timeout before", down.node, down.at.Format("15:04:05.000"), reached)
		}
	}
	r.notes.judged = len(r.notes.downs)
	clear(r.notes.reached)
}

// measure notes what each program holds at rest, with no task.
func (r *trial) measure() {
	for _, m := range r.members() {
		var err error
		if r.rest[m], err = r.usageOf(m); err != nil {
			r.t.Fatal(err)
		}
	}
	r.notes.add("at rest: %v", r.rest)
}

// What a program may hold at rest besides what it held before: connections that
// wait to be used again, of the manager, the probes and the clients, with their
// goroutines on both sides; and so much for each live task.
const (
	leakSlack       = 40
	leakSlackOfTask = 6
)

// checkUsage: what was held for the round is given back. Connections close in
// their time, so it is waited for.
func (r *trial) checkUsage() {
	r.http.CloseIdleConnections()
	most := leakSlack + leakSlackOfTask*len(r.live)
	ctx, cancel := context.WithTimeout(r.t.Context(), settleTimeout)
	defer cancel()
	for _, m := range r.members() {
		for {
			now, err := r.usageOf(m)
			if err == nil && now.goroutines <= r.rest[m].goroutines+most && now.descriptors <= r.rest[m].descriptors+most {
				r.notes.add("%s holds %+v", m.name, now)
				break
			}
			if ctx.Err() != nil {
				r.t.Errorf("%s holds %+v, %v; at first it was %+v", m.name, now, err, r.rest[m])
				break
			}
			waitUntil(ctx, settlePoll)
		}
	}
}

// thinOut has all but a few tasks stopped, so that rounds do not pile up.
func (r *trial) thinOut() {
	const stay = 8
	left := len(r.live)
	for _, p := range r.live {
		if left <= stay {
			return
		}
		left--
		ctx, cancel := context.WithTimeout(r.t.Context(), settleTimeout)
		if err := r.stopOne(ctx, p.order); err != nil {
			r.t.Errorf("stopping task %s: %v", p.order.id, err)
		}
		cancel()
	}
}
