package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	scheduling "cube/scheduler/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// orders are the tasks that clients asked for.
type orders struct {
	random *rand.Rand

	mu  sync.Mutex // guards the fields below, and of each order what says so
	all []*order
}

// order is a task as the clients know it.
type order struct {
	request task.Task
	id      string
	ends    bool // by itself, with code
	code    int

	// Guarded by the orders' mu.
	accepted bool   // an answer said so
	stopSent bool   // a stop was sent; perhaps nobody heard it
	stopped  bool   // an answer said that it will be
	ended    string // how an answer said that it ended; that is final
	done     bool   // it has been looked at after its end
}

func newOrders(seed uint64) *orders { return &orders{random: rand.New(rand.NewPCG(seed, 1))} }

// work is what a task does: it writes down that it begins, says so if another of
// its runs is still there, prints some lines, waits and ends.
const work = `echo "start $CUBE_RUN $$" >>$0
while read -r word run pid; do
  if [ "$word" = start ] && [ "$pid" != $$ ] && grep -qs "$0" /proc/$pid/cmdline; then
    echo "twice $run $CUBE_RUN" >>$0
  fi
done <$0
trap 'exit 143' TERM
for line in 1 2 3 4 5 6 7 8; do echo "line $line"; done
sleep $1 & wait $!
echo "end $CUBE_RUN $$" >>$0
exit $2`

const workLines = 8

// new draws a task.
func (o *orders) new(random *rand.Rand, ledger string) *order {
	id := uuid.New()
	a := &order{id: id.String(), ends: random.IntN(3) > 0}
	wait := "86421"
	if a.ends {
		a.code, wait = random.IntN(3), fmt.Sprintf("%.1f", 2*random.Float64())
	}
	policy := task.RestartPolicy("")
	if !a.ends && random.IntN(2) == 0 {
		policy = task.RestartAlways // which lets it be moved, too
	}
	a.request = task.Task{
		ID: id, Name: "faults", RestartPolicy: policy, Cpu: 0.01, Memory: 16 << 20, StopTimeout: task.Duration(20 * time.Second),
		Command: []string{"sh", "-c", work, filepath.Join(ledger, a.id), wait, strconv.Itoa(a.code)},
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, a)
	return a
}

// pick draws one of the tasks that want names; nil where there is none.
func (o *orders) pick(random *rand.Rand, want func(*order) bool) *order {
	o.mu.Lock()
	defer o.mu.Unlock()
	const tries = 20
	for range min(tries, len(o.all)) {
		// Mostly the latest.
		back := int(random.ExpFloat64() * 20)
		if a := o.all[max(0, len(o.all)-1-back)]; want(a) {
			return a
		}
	}
	return nil
}

// set changes what is known of a task.
func (o *orders) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// load is clients at work.
type load struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
}

func (l *load) stop() {
	l.cancel()
	l.group.Wait()
}

// Clients ask this often, each of them, and give up after this long.
const (
	faultClients = 4
	clientPace   = 100 * time.Millisecond
	patience     = 3 * time.Second
)

// startClients starts clients that ask for everything there is to ask for.
func (r *trial) startClients() *load {
	ctx, cancel := context.WithCancel(r.t.Context())
	l := &load{cancel: cancel}
	for range faultClients {
		random := r.seeded()
		l.group.Go(func() {
			tick := time.NewTicker(clientPace)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				r.ask(ctx, random)
			}
		})
	}
	return l
}

// wish is one thing that a client can ask for.
type wish struct {
	weight int
	do     func(context.Context, *rand.Rand) error
}

// ask asks for one thing. An answer that cannot be true, and an error that has no
// business there, fail the test.
func (r *trial) ask(ctx context.Context, random *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wishes := []wish{{15, r.askNew}, {10, r.askAgain}, {10, r.askStop}, {10, r.askTask}, {10, r.askList}, {5, r.askWhy}, {5, r.askLogs}, {5, r.askNodes}}
	total := 0
	for _, q := range wishes {
		total += q.weight
	}
	drawn := random.IntN(total)
	for _, q := range wishes {
		if drawn -= q.weight; drawn >= 0 {
			continue
		}
		if err := q.do(ctx, random); err != nil && !excusable(err) {
			r.t.Errorf("%s the manager answers: %v", stamp(), err)
		}
		return
	}
}

// excusable reports whether an error is what faults do: no answer, or one that
// says that the store or a worker cannot be reached.
func excusable(err error) bool {
	var answer *wire.Error
	if errors.As(err, &answer) {
		return answer.Code == wire.CodeUnavailable || answer.Code == wire.CodeWorkerUnreachable
	}
	return !errors.As(err, new(lie))
}

// lie is an answer that is not true.
type lie string

func (l lie) Error() string { return string(l) }

func lief(format string, args ...any) error { return lie(fmt.Sprintf(format, args...)) }

func (r *trial) askNew(ctx context.Context, random *rand.Rand) error {
	return r.submit(ctx, r.orders.new(random, r.ledger))
}

// askAgain submits what was submitted before, heard or not.
func (r *trial) askAgain(ctx context.Context, random *rand.Rand) error {
	a := r.orders.pick(random, func(*order) bool { return true })
	if a == nil {
		return nil
	}
	return r.submit(ctx, a)
}

func (r *trial) submit(ctx context.Context, a *order) error {
	answer, err := r.client.Submit(ctx, &a.request)
	if err != nil {
		return err
	}
	r.orders.set(func() { a.accepted = true })
	return r.believe(a, &answer)
}

func (r *trial) askStop(ctx context.Context, random *rand.Rand) error {
	a := r.orders.pick(random, func(a *order) bool { return a.accepted && !a.stopped })
	if a == nil {
		return nil
	}
	return r.stopOne(ctx, a)
}

func (r *trial) stopOne(ctx context.Context, a *order) error {
	r.orders.set(func() { a.stopSent = true })
	if err := r.client.Stop(ctx, a.request.ID); err != nil {
		return err
	}
	r.orders.set(func() { a.stopped = true })
	return nil
}

func (r *trial) askTask(ctx context.Context, random *rand.Rand) error {
	a := r.orders.pick(random, func(a *order) bool { return a.accepted })
	if a == nil {
		return nil
	}
	answer, err := r.client.Task(ctx, a.request.ID)
	if err != nil {
		return err // not_found too: it was accepted
	}
	return r.believe(a, &answer)
}

// believe holds what an answer says of a task against what earlier ones said.
func (r *trial) believe(a *order, answer *wire.PlacedTask) error {
	if answer.ID != a.request.ID || answer.Name != a.request.Name || answer.Command[3] != a.request.Command[3] {
		return lief("task %s was asked for, and the answer is %s: %s", a.id, answer.ID, answer.Command)
	}
	r.orders.mu.Lock()
	defer r.orders.mu.Unlock()
	if a.ended != "" && a.ended != ending(answer) {
		return lief("task %s was %s, and now it is %s", a.id, a.ended, ending(answer))
	}
	if final(answer) {
		a.ended = ending(answer)
	}
	return nil
}

// final reports whether a task has ended for good, as it is told. One that was to
// be stopped on a node that was lost has ended, and how is told by its worker if
// that comes back.
func final(p *wire.PlacedTask) bool {
	if p.StopRequested {
		return p.State.Ended() && p.ExitCode != nil
	}
	return p.State.Ended() && p.RestartPolicy == ""
}

// ending is how a task ended, or that it did not.
func ending(p *wire.PlacedTask) string {
	code := "without exit code"
	if p.ExitCode != nil {
		code = fmt.Sprint("with ", *p.ExitCode)
	}
	return fmt.Sprintf("%s %s", p.State, code)
}

// askList lists the tasks that have not ended, or all of a node, or all: then
// what was accepted before has to be there.
func (r *trial) askList(ctx context.Context, random *rand.Rand) error {
	const all = 400 // more are not listed as a whole each time
	before := map[string]bool{}
	r.orders.set(func() {
		for _, a := range r.orders.all {
			if a.accepted {
				before[a.id] = true
			}
		}
	})
	query := scheduling.TasksQuery{State: []task.State{task.Pending, task.Scheduled, task.Running}}
	whole := len(before) < all && random.IntN(2) == 0
	switch {
	case whole:
		query = scheduling.TasksQuery{Limit: 100}
	case random.IntN(2) == 0:
		query.Node = r.workers[random.IntN(len(r.workers))].name
	}
	listed := map[string]bool{}
	for {
		page, err := r.client.ListTasks(ctx, query)
		if err != nil {
			return err
		}
		for _, p := range page.Tasks {
			if listed[p.ID.String()] {
				return lief("task %s is listed twice", p.ID)
			}
			listed[p.ID.String()] = true
			if query.Node != "" && p.Node != query.Node {
				return lief("task %s is on %q, and listed for %s", p.ID, p.Node, query.Node)
			}
		}
		if query.After = page.Next; page.Next == "" {
			break
		}
	}
	if !whole {
		return nil
	}
	for id := range before {
		if !listed[id] {
			return lief("task %s was accepted, and is not listed", id)
		}
	}
	return nil
}

// askWhy has a placement explained.
func (r *trial) askWhy(ctx context.Context, random *rand.Rand) error {
	a := r.orders.pick(random, func(a *order) bool { return a.accepted })
	if a == nil {
		return nil
	}
	decision, err := r.client.Decision(ctx, a.request.ID)
	if errors.Is(err, wire.New(wire.CodeNoDecision, "")) {
		return nil
	}
	if err == nil && decision.Node != "" && r.member(decision.Node) == nil {
		return lief("task %s was placed on %q, which there is not", a.id, decision.Node)
	}
	return err
}

// askLogs reads what a task has printed: its lines, from the first one on, in
// their order. One that never began has none.
func (r *trial) askLogs(ctx context.Context, random *rand.Rand) error {
	a := r.orders.pick(random, func(a *order) bool { return a.accepted })
	if a == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience/3)
	defer cancel()
	output, err := r.client.Logs(ctx, a.request.ID, scheduling.LogQuery{Tail: -1, Stdout: true, Follow: random.IntN(2) == 0})
	var answer *wire.Error
	if errors.As(err, &answer) && answer.HTTPStatusCode < 500 {
		return nil
	}
	if err != nil {
		return err
	}
	defer output.Close()
	n := 0
	for lines := bufio.NewScanner(output); lines.Scan(); {
		n++
		if want := fmt.Sprint("line ", n); !strings.HasSuffix(lines.Text(), want) && ctx.Err() == nil || n > workLines {
			return lief("task %s printed %q; want %q", a.id, lines.Text(), want)
		}
	}
	return nil
}

func (r *trial) askNodes(ctx context.Context, _ *rand.Rand) error {
	nodes, err := r.client.Nodes(ctx)
	if err != nil {
		return err
	}
	if len(nodes) != len(r.workers) {
		return lief("there are %d nodes, and %d are listed", len(r.workers), len(nodes))
	}
	return nil
}

// member is the worker of that name; nil where there is none.
func (r *trial) member(name string) *member {
	for _, m := range r.workers {
		if m.name == name {
			return m
		}
	}
	return nil
}
