package worker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/workertest"
)

// The worker dies at random moments under load: before a write, after it but
// before anybody was told, after a start but before anybody knew. What real
// processes and containers make of a kill is tested where those are.
func TestRandomCrashes(t *testing.T) {
	seeds := 40
	if os.Getenv("CUBE_TEST_LONG") != "" {
		seeds = 1000
	}
	first := uint64(time.Now().UnixNano())
	if text := os.Getenv("CUBE_TEST_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, seeds = seed, 1
	}
	for i := range seeds {
		seed := first + uint64(i)
		t.Run(fmt.Sprint("CUBE_TEST_SEED=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newCrashTest(t, seed).run() })
		})
	}
}

// crashTest is a worker with several lives, and what it promised in them.
type crashTest struct {
	t       *testing.T
	random  *rand.Rand
	machine *machine
	runtime *workertest.Runtime
	store   *workertest.Store
	dead    atomic.Bool // nothing that is done from now on reaches the worker

	accepted []uuid.UUID
	stopped  map[uuid.UUID]bool
	// allocation counts the new allocations that were asked for.
	allocation map[uuid.UUID]uint64

	mu    sync.Mutex // guards coins
	coins *rand.Rand // for what the worker's goroutines ask
}

func newCrashTest(t *testing.T, seed uint64) *crashTest {
	return &crashTest{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), coins: rand.New(rand.NewPCG(seed, 2)),
		runtime: workertest.NewRuntime(), store: workertest.NewStore(), stopped: map[uuid.UUID]bool{}, allocation: map[uuid.UUID]uint64{},
	}
}

func (c *crashTest) coin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.coins.IntN(2) == 0
}

var errDead = errors.New("the worker is dead")

// crashStore loses what is written after the death, or the word that it was.
type crashStore struct {
	*workertest.Store
	c *crashTest
}

func (s crashStore) Save(records ...worker.Record) error {
	pass(time.Duration(len(records)) * time.Millisecond) // an fsync
	dead := s.c.dead.Load()
	if dead && s.c.coin() {
		return errDead
	}
	if err := s.Store.Save(records...); err != nil || !dead {
		return err
	}
	return errDead
}

// crashRuntime does what it was asked to before the death, and perhaps a last
// thing of which nobody hears.
type crashRuntime struct {
	*workertest.Runtime
	c *crashTest
}

func (r crashRuntime) Start(ctx context.Context, key worker.Key, t *task.Task) (worker.Run, error) {
	pass(5 * time.Millisecond)
	dead := r.c.dead.Load()
	if ctx.Err() != nil || (dead && r.c.coin()) {
		<-ctx.Done()
		return worker.Run{}, ctx.Err()
	}
	for _, other := range r.Running() {
		if other.Task == key.Task && other != key {
			r.c.t.Errorf("run %v is started while %v goes on", key, other)
		}
	}
	run, err := r.Runtime.Start(context.WithoutCancel(ctx), key, t)
	if dead {
		<-ctx.Done()
		return worker.Run{}, ctx.Err()
	}
	return run, err
}

func (r crashRuntime) Stop(ctx context.Context, key worker.Key, grace time.Duration) error {
	pass(3 * time.Millisecond)
	if r.c.dead.Load() && r.c.coin() {
		<-ctx.Done()
		return ctx.Err()
	}
	return r.Runtime.Stop(ctx, key, grace)
}

func (c *crashTest) boot() {
	c.machine = boot(c.t, func(cfg *worker.Config) {
		cfg.Runtime, cfg.Store, cfg.Log = crashRuntime{c.runtime, c}, crashStore{c.store, c}, nil
		cfg.CapacityOverride = task.Resources{Cpu: 1000, Memory: 1 << 40, Disk: 1 << 40}
	})
}

func (c *crashTest) run() {
	for range 4 {
		c.boot()
		c.live(20)
		var late sync.WaitGroup
		c.dead.Store(true)
		late.Go(func() { c.live(5) })
		late.Wait()
		c.machine.kill()
		c.dead.Store(false)
	}
	c.boot()
	pass(10 * time.Minute) // every backoff is over
	synctest.Wait()
	c.check()
}

// live does so many things at random. What the worker refuses was not promised.
func (c *crashTest) live(things int) {
	ctx := c.t.Context()
	for range things {
		switch c.random.IntN(6) {
		case 0, 1:
			event := startOf(uuid.New(), 1)
			event.Task.RestartPolicy = []task.RestartPolicy{"no", "on-failure:2", "always"}[c.random.IntN(3)]
			if _, _, err := c.machine.Submit(ctx, event); err == nil {
				c.accepted = append(c.accepted, event.Task.ID)
			}
		case 2:
			if len(c.accepted) > 0 {
				id := c.accepted[c.random.IntN(len(c.accepted))]
				if c.machine.Stop(ctx, id, nil) == nil {
					c.stopped[id] = true
				}
			}
		case 3:
			if running := c.runtime.Running(); len(running) > 0 {
				c.runtime.Exit(running[c.random.IntN(len(running))], c.random.IntN(3))
			}
		case 4:
			if len(c.accepted) > 0 {
				id := c.accepted[c.random.IntN(len(c.accepted))]
				c.allocation[id]++
				delete(c.stopped, id) // it may have been taken even if nobody was told
				_, _, _ = c.machine.Submit(ctx, startOf(id, 1+c.allocation[id]))
			}
		case 5:
			pass(time.Duration(c.random.IntN(20)) * time.Millisecond)
		}
	}
}

// check holds what there is against what was promised.
func (c *crashTest) check() {
	t := c.t
	there := map[uuid.UUID]*task.Task{}
	for _, got := range c.machine.Tasks(all) {
		there[got.ID] = got
	}
	for _, id := range c.accepted {
		got := there[id]
		switch {
		case got == nil:
			t.Errorf("task %v was accepted, and is lost", id)
		case c.stopped[id] && !got.State.Ended():
			t.Errorf("task %v was to be stopped, and is %s", id, got.State)
		case !c.stopped[id] && !got.State.Ended() && got.State != task.Running:
			t.Errorf("task %v is %s, for ever: %s", id, got.State, got.Error)
		}
	}
	runs, err := c.runtime.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exits := map[worker.Key]*worker.Exit{}
	for _, run := range runs {
		exits[run.Key] = run.Exit
		got := there[run.Key.Task]
		if run.Exit == nil && (got == nil || got.State != task.Running || run.Key != keyOf(got.ID, got.Allocation, got.RestartCount)) {
			t.Errorf("run %v is nobody's: its task is %+v", run.Key, got)
		}
	}
	for id, got := range there {
		exit, known := exits[keyOf(id, got.Allocation, got.RestartCount)]
		switch {
		case got.State == task.Running && (!known || exit != nil):
			t.Errorf("task %v is running, its run is not", id)
		case got.State.Ended() && got.ExitCode != nil && known && exit != nil && *exit.Code != *got.ExitCode:
			t.Errorf("task %v ended with %d; its run with %d", id, *got.ExitCode, *exit.Code)
		}
	}
}
