package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/client"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
	"cube/worker/wire"
)

// TestKilledWorker kills the real worker with SIGKILL again and again, at random
// moments from its first instruction on, while clients start and stop tasks.
// Afterwards every accepted task is in exactly one state, none was run twice,
// none is orphaned, and no exit code is invented.
func TestKilledWorker(t *testing.T) {
	kills := map[string]int{runtimeProcess: 12, runtimeDocker: 8}
	rounds := 1
	if os.Getenv("CUBE_TEST_LONG") != "" {
		// 500 kills of each, and a worker of its own for so many as leave it
		// room, and in its list of finished tasks.
		kills = map[string]int{runtimeProcess: 20, runtimeDocker: 20}
		rounds = 25
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CUBE_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for runtime, n := range kills {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			for round := range uint64(rounds) {
				t.Run(fmt.Sprint("CUBE_TEST_SEED=", seed+round), func(t *testing.T) { killAgainAndAgain(t, runtime, n, seed+round) })
			}
		})
	}
}

// killAgainAndAgain is so many lives of one worker, and what is left after them.
func killAgainAndAgain(t *testing.T, runtime string, kills int, seed uint64) {
	t.Helper()
	// A client asks as often as the runtime can start tasks, roughly.
	pace := map[string]time.Duration{runtimeProcess: 10 * time.Millisecond, runtimeDocker: 120 * time.Millisecond}
	k := &killTest{
		loneWorker: newLoneWorker(t, runtime), random: rand.New(rand.NewPCG(seed, 1)),
		begun: t.TempDir(), asked: map[uuid.UUID]*askedTask{}, pace: pace[runtime],
	}
	for range kills {
		k.live()
	}
	k.settle()
}

// killTest is a worker with many lives, and what was asked of it.
type killTest struct {
	*loneWorker
	random *rand.Rand // of the test's own goroutine
	pace   time.Duration
	begun  string // directory where each process task that begins says so

	mu    sync.Mutex // guards what follows
	asked map[uuid.UUID]*askedTask
}

// askedTask is a task as the clients know it.
type askedTask struct {
	event    task.Event
	accepted bool // an answer said so
	stopped  bool // a stop was sent; perhaps nobody heard it
	code     int  // what it ends with when it is left alone; -1: it does not end
}

// live is one life, from its start to SIGKILL.
func (k *killTest) live() {
	k.t.Helper()
	const (
		longest = 600 * time.Millisecond // under load
		early   = 5                      // one of so many dies while it starts
	)
	p := k.start()
	ctx, cancel := context.WithCancel(k.t.Context())
	defer cancel()
	var clients sync.WaitGroup
	if k.random.IntN(early) != 0 {
		c := k.client(p)
		for n := range 4 {
			random := rand.New(rand.NewPCG(k.random.Uint64(), uint64(n)))
			clients.Go(func() { k.load(ctx, c, random) })
		}
	}
	<-time.After(time.Duration(k.random.Int64N(int64(longest))))
	p.kill()
	cancel()
	clients.Wait()
}

// backlog bounds how many tasks wait to start before a client asks for another.
const backlog = 16

// load starts and stops tasks, and asks again for what was perhaps not heard,
// until the worker is gone.
func (k *killTest) load(ctx context.Context, c *client.Client, random *rand.Rand) {
	tick := time.NewTicker(k.pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var err error
		a := k.pick(random)
		switch {
		case a == nil:
			// What waits to start is no load; a busy machine would gather it.
			var waiting client.TasksAnswer
			waiting, err = c.Tasks(ctx, client.TasksQuery{State: []task.State{task.Scheduled}})
			if err == nil && len(waiting.Tasks) < backlog {
				err = k.submit(ctx, c, k.newTask(random))
			}
		case !a.accepted:
			err = k.submit(ctx, c, a)
		default:
			k.mu.Lock()
			a.stopped = true
			k.mu.Unlock()
			err = c.Stop(ctx, a.event.Task.ID, nil)
		}
		if answer := (*wire.Error)(nil); errors.As(err, &answer) && answer.Code != wire.CodeUnavailable {
			k.t.Errorf("the worker answers %v", err)
		}
		if err != nil {
			return // it is dead, or as good as that
		}
	}
}

// pick returns a copy of a task to stop or to ask for again, or nil where a new
// one is wanted.
func (k *killTest) pick(random *rand.Rand) *askedTask {
	if random.IntN(3) != 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range k.asked { // in Go's random order
		if !a.stopped {
			return a
		}
	}
	return nil
}

// newTask is a task that ends soon with a code of its own, or never.
func (k *killTest) newTask(random *rand.Rand) *askedTask {
	id := uuid.New()
	a := &askedTask{code: random.IntN(100)}
	wait := time.Duration(random.IntN(800)) * time.Millisecond
	if random.IntN(3) == 0 {
		a.code, wait = -1, time.Hour
	}
	a.event = task.Event{ID: uuid.New(), State: task.Running, Timestamp: time.Now(), Task: task.Task{
		ID: id, Name: "killed", Allocation: 1, Cpu: 0.01, Memory: 16 << 20, StopTimeout: task.Duration(time.Second),
	}}
	if k.runtime == runtimeDocker {
		a.event.Task.Image = k.image
		a.event.Task.Command = []string{"out", "begun", "wait", wait.String(), "exit", strconv.Itoa(max(a.code, 0))}
	} else {
		a.event.Task.Command = []string{"sh", "-c", "echo begun >>$0; echo begun; sleep $1; exit $2",
			filepath.Join(k.begun, id.String()), fmt.Sprint(wait.Seconds()), strconv.Itoa(max(a.code, 0))}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked[id] = a
	return a
}

func (k *killTest) submit(ctx context.Context, c *client.Client, a *askedTask) error {
	_, err := c.Submit(ctx, a.event)
	if err == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		a.accepted = true
	}
	return err
}

// settle starts a last life, waits until all has come to rest, and compares what
// the worker says with what was asked and with what the machine has.
func (k *killTest) settle() {
	k.t.Helper()
	p := k.start("--drain")
	c := k.client(p)
	tasks := k.awaitRest(c)
	accepted := 0
	for id, a := range k.asked {
		got := tasks[id]
		if a.accepted {
			accepted++
		}
		if got == nil {
			if a.accepted {
				k.t.Errorf("task %s was accepted and is lost", id)
			}
			continue
		}
		k.check(a, got)
		if n := k.timesBegun(c, got); n > 1 || (got.State == task.Running && n != 1) {
			k.t.Errorf("task %s (%s) was begun %d times", id, got.State, n)
		}
	}
	k.t.Logf("%d tasks were accepted, %d asked for", accepted, len(k.asked))
	if accepted == 0 {
		k.t.Error("nothing was accepted: the test says nothing")
	}
	k.compareWithMachine(tasks, "before it is drained")
	p.terminate()
	k.compareWithMachine(nil, "after it was drained")
}

// awaitRest follows the worker's changes until what is to end has ended, and what
// was to be stopped too. A busy machine takes its time for that, but something
// changes meanwhile.
func (k *killTest) awaitRest(c *client.Client) map[uuid.UUID]*task.Task {
	k.t.Helper()
	query := client.TasksQuery{Wait: 2 * time.Minute}
	for {
		answer, err := c.Tasks(k.t.Context(), query)
		if err != nil {
			k.t.Fatal(err)
		}
		tasks := map[uuid.UUID]*task.Task{}
		for _, got := range answer.Tasks {
			if tasks[got.ID] != nil {
				k.t.Fatalf("task %s is listed twice", got.ID)
			}
			tasks[got.ID] = got
		}
		if k.atRest(tasks) {
			return tasks
		}
		if answer.Generation == query.Since {
			k.t.Fatalf("nothing has changed for %v, and not all tasks are at rest", query.Wait)
		}
		query.Since = answer.Generation
	}
}

// atRest reports whether no task is on its way to another state.
func (k *killTest) atRest(tasks map[uuid.UUID]*task.Task) bool {
	for id, got := range tasks {
		a := k.asked[id]
		if a == nil {
			k.t.Fatalf("task %s was never asked for", id)
		}
		ended := got.State == task.Completed || got.State == task.Failed
		// A stop that nobody heard leaves a task without end running.
		if !ended && (got.State != task.Running || a.code >= 0) {
			return false
		}
	}
	return true
}

// check compares the end of a task with what it was asked to be.
func (k *killTest) check(a *askedTask, got *task.Task) {
	k.t.Helper()
	describe := func() string {
		return fmt.Sprintf("task %s (stopped %v, to end with %d) is %s with %v: %s", got.ID, a.stopped, a.code, got.State, got.ExitCode, got.Error)
	}
	if got.State == task.Running {
		return
	}
	if got.RestartCount != 0 {
		k.t.Errorf("restarted %d times: %s", got.RestartCount, describe())
	}
	killed := got.ExitCode != nil && (*got.ExitCode == 143 || *got.ExitCode == 137 || (k.runtime == runtimeDocker && *got.ExitCode == 2))
	switch {
	case a.stopped: // before it ran, while it did, or after: all is possible
		if got.ExitCode != nil && *got.ExitCode != a.code && !killed {
			k.t.Errorf("an invented exit code: %s", describe())
		}
	case got.ExitCode == nil || *got.ExitCode != a.code:
		k.t.Errorf("not how it ended: %s", describe())
	case (a.code == 0) != (got.State == task.Completed):
		k.t.Errorf("not the state of its code: %s", describe())
	}
}

// timesBegun counts by the task's own traces.
func (k *killTest) timesBegun(c *client.Client, got *task.Task) int {
	k.t.Helper()
	if k.runtime == runtimeProcess {
		text, err := os.ReadFile(filepath.Join(k.begun, got.ID.String()))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			k.t.Error(err)
		}
		return strings.Count(string(text), "begun")
	}
	text, err := exec.Command("docker", "ps", "--all", "--quiet", "--filter", "label=cube.task="+got.ID.String()).Output()
	if err != nil {
		k.t.Errorf("listing the containers of %s: %v", got.ID, err)
	}
	containers := strings.Fields(string(text))
	if len(containers) != 1 {
		return len(containers)
	}
	logs, err := exec.Command("docker", "logs", containers[0]).Output()
	if err != nil {
		k.t.Errorf("the output of %s: %v", got.ID, err)
	}
	return strings.Count(string(logs), "begun")
}

// compareWithMachine makes sure that the machine runs what the worker says and
// nothing else.
func (k *killTest) compareWithMachine(tasks map[uuid.UUID]*task.Task, when string) {
	k.t.Helper()
	running := map[string]bool{}
	for id, got := range tasks {
		if got.State == task.Running {
			running[id.String()] = true
		}
	}
	found := k.runningOnMachine()
	for id := range running {
		if found[id] != 1 {
			k.t.Errorf("%s: task %s is said to run, and %d do", when, id, found[id])
		}
	}
	for id, n := range found {
		if !running[id] {
			k.t.Errorf("%s: task %s has %d orphans", when, id, n)
		}
	}
}

// runningOnMachine counts what runs of each task, by the machine's own account.
func (k *killTest) runningOnMachine() map[string]int {
	k.t.Helper()
	found := map[string]int{}
	if k.runtime == runtimeDocker {
		owner, err := os.ReadFile(filepath.Join(k.data, "id"))
		if err != nil {
			k.t.Fatal(err)
		}
		text, err := exec.Command("docker", "ps", "--format", `{{.Label "cube.task"}}`,
			"--filter", "label="+dockertest.OwnerLabel+"="+string(owner)).Output()
		if err != nil {
			k.t.Fatal(err)
		}
		for id := range strings.FieldsSeq(string(text)) {
			found[id]++
		}
		return found
	}
	for id, processes := range processesNaming(k.t, k.begun) {
		found[id] = len(processes)
	}
	return found
}

// processesNaming finds the processes whose command line names a file in dir,
// by the file's name; what one of them has started for it is not counted.
func processesNaming(t *testing.T, dir string) map[string][]int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]int{}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if _, name, is := strings.Cut(string(text), dir+"/"); is {
			name, _, _ = strings.Cut(name, "\x00")
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			found[name] = append(found[name], pid)
		}
	}
	for name, all := range found {
		found[name] = slices.DeleteFunc(slices.Clone(all), func(pid int) bool { return slices.Contains(all, parentOf(pid)) })
	}
	return found
}

// parentOf is a process's parent; 0 where it has ended.
func parentOf(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nPPid:\t")
	text, _, _ := strings.Cut(rest, "\n")
	parent, _ := strconv.Atoi(text)
	return parent
}
