package manager

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cube/worker/task"
)

// decisions is how often the scheduler was asked.
func (f *fleet) decisions() float64 {
	placements := f.Manager.metrics.placements
	return testutil.ToFloat64(placements.WithLabelValues("spread", "placed")) +
		testutil.ToFloat64(placements.WithLabelValues("spread", "refused"))
}

// A node with new room has just those tasks decided on again that it could serve,
// one for all that ask for the same; the reasons of all others stand.
func TestRoomWakesJustTheTasksItCouldServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, store: newMemStore(), log: new(lockedBuffer), workers: map[string]*fakeWorker{}}
		f.cfg = func(cfg *Config) { cfg.SweepInterval = time.Hour } // nobody is looked at again for nothing
		f.start()
		f.add("node-1", fakeRoom)
		ask := func(memory task.Bytes, cpu float64, constraints ...string) func(*task.Task) {
			return func(t *task.Task) { t.Memory, t.Cpu, t.Constraints = memory, cpu, constraints }
		}
		filler := f.submit(ask(1<<30, 0.5))
		f.is(filler, task.Running, "node-1")
		f.submit(ask(3<<30, 0.5)) // now the node is full
		var served, large, elsewhere []uuid.UUID
		for range 50 {
			served = append(served, f.submit(ask(1<<30, 0.1)))
			large = append(large, f.submit(ask(2<<30, 0.1)))
			elsewhere = append(elsewhere, f.submit(ask(1<<20, 0.1, "zone==b")))
		}
		f.submit(ask(1<<20, 7.9)) // more CPU than is ever left

		before := f.decisions()
		if err := f.Stop(t.Context(), filler); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.is(served[0], task.Running, "node-1")
		for _, id := range []uuid.UUID{served[1], large[0], elsewhere[0]} {
			f.is(id, task.Pending, "")
		}
		// The one that fits, and the next of its kind, that does not any more.
		if asked := f.decisions() - before; asked > 2 {
			t.Errorf("1 GiB that was freed made %v decisions", asked)
		}

		before = f.decisions()
		f.add("node-2", task.Resources{Cpu: 4, Memory: 1 << 30, Disk: 40 << 30})
		f.is(served[1], task.Running, "node-2")
		f.is(large[0], task.Pending, "")
		if asked := f.decisions() - before; asked > 3 { // the large CPU request fits there at first
			t.Errorf("a new node made %v decisions", asked)
		}
	})
}
