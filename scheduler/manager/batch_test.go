package manager

import (
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/scheduler/scrape"
	"cube/worker/task"
)

// keptReadings is a scraper's sink that remembers what it was given.
type keptReadings struct {
	mu   sync.Mutex
	list []scheduler.Reading
}

func (k *keptReadings) wrap(sink func(scrape.Result)) func(scrape.Result) {
	return func(r scrape.Result) {
		k.mu.Lock()
		k.list = append(k.list, r.Reading)
		k.mu.Unlock()
		sink(r)
	}
}

// Tasks that ask for the same are decided on together, with the results of one
// after the other: those in the queue, and those that waited for a node.
func TestBatchedDecisionsAreThoseOfOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept keptReadings
		f := &fleet{t: t, store: newMemStore(), log: new(lockedBuffer), workers: map[string]*fakeWorker{}}
		f.cfg = func(cfg *Config) {
			newScraper := cfg.NewScraper
			cfg.NewScraper = func(now func() scheduler.Instant, sink func(scrape.Result)) (Scraper, error) {
				return newScraper(now, kept.wrap(sink))
			}
		}
		f.start()
		began := time.Now()
		for _, name := range names(5) {
			f.add(name, fakeRoom)
		}
		f.store.setDelay(time.Millisecond) // so that they come together
		var group sync.WaitGroup
		for range 90 {
			group.Go(func() {
				request := &task.Task{Command: []string{"true"}, Cpu: 0.1, Memory: 300 << 20}
				if _, _, err := f.Submit(t.Context(), request); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		f.wait(10 * time.Millisecond)
		if placed := len(f.decided()); placed != 5*13 {
			t.Fatalf("%d tasks were placed, there is room for 65", placed)
		}
		f.add("node-6", fakeRoom)
		f.wait(10 * time.Millisecond)
		decided := f.decided()
		if len(decided) != 6*13 {
			t.Fatalf("%d tasks were placed, there is room for 78", len(decided))
		}
		checkOneByOne(t, kept.list, decided, began)
	})
}

// decided returns the decisions that found a node, by when they were made.
func (f *fleet) decided() []scheduler.Decision {
	f.t.Helper()
	var list []scheduler.Decision
	for placed := range f.list(Filter{Limit: 1000}) {
		d, err := f.Decision(placed.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		if d.Node != "" {
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b scheduler.Decision) int { return a.Time.Compare(b.Time) })
	return list
}

// checkOneByOne makes the decisions anew, each by itself. Of those of one
// instant it is not known which came first, and nothing but the task's ID tells
// them apart: the next is any that is as it would be made now.
func checkOneByOne(t *testing.T, readings []scheduler.Reading, decided []scheduler.Decision, began time.Time) {
	t.Helper()
	ranked, err := policy.New("spread")
	if err != nil {
		t.Fatal(err)
	}
	state, err := scheduler.NewState(scheduler.Config{Policy: ranked})
	if err != nil {
		t.Fatal(err)
	}
	for len(decided) > 0 {
		first := decided[0]
		at := scheduler.Instant(first.Time.Sub(began))
		for len(readings) > 0 && readings[0].At <= at {
			state.SetNode(scheduler.Node{Name: readings[0].Node})
			if err := state.Observe(readings[0]); err != nil {
				t.Fatal(err)
			}
			readings = readings[1:]
		}
		next := slices.IndexFunc(decided, func(d scheduler.Decision) bool {
			if !d.Time.Equal(first.Time) {
				return false
			}
			want := state.Decide(at, scheduler.Demand{Task: d.Task, Requests: d.Requests}, d.Seed).Decision()
			return d.Node == want.Node && reflect.DeepEqual(d.Candidates, want.Candidates)
		})
		if next < 0 {
			t.Fatalf("of %d decisions left none is as it would be one by one; the first is\n%+v", len(decided), first)
		}
		d := &decided[next]
		demand := scheduler.Demand{Task: d.Task, Requests: d.Requests}
		if err := state.Place(scheduler.Placement{Demand: demand, Node: d.Node, At: at, StartTime: scheduler.Absent()}); err != nil {
			t.Fatal(err)
		}
		decided = slices.Delete(decided, next, next+1)
	}
}
