package worker_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/wire"
	"cube/worker/workertest"
)

func TestAdmission(t *testing.T) {
	const gib = 1 << 30
	for name, test := range map[string]struct {
		edit  func(*worker.Config)
		there []task.Resources // accepted before
		ask   task.Resources
		field string   // of the refusal; empty: accepted
		says  []string // figures in it
	}{
		"memory fits to the byte": {
			there: []task.Resources{{Memory: 5 * gib}}, ask: task.Resources{Memory: 3 * gib},
		},
		"a byte too much memory": {
			there: []task.Resources{{Memory: 5 * gib}}, ask: task.Resources{Memory: 3*gib + 1},
			field: "Memory", says: []string{"asks for 3GiB", "3GiB of 8GiB is free", "5GiB is promised to 1 task"},
		},
		"memory less the reserve": {
			edit: func(c *worker.Config) { c.Reserve.Memory = 2 * gib }, ask: task.Resources{Memory: 7 * gib},
			field: "Memory", says: []string{"asks for 7GiB", "6GiB of 6GiB is free", "promised to 0 tasks"},
		},
		"disk": {
			there: []task.Resources{{Disk: 60 * gib}}, ask: task.Resources{Disk: 41 * gib},
			field: "Disk", says: []string{"asks for 41GiB", "40GiB of 100GiB is free", "60GiB is promised"},
		},
		"CPU is overcommitted twice": {
			there: []task.Resources{{Cpu: 4}, {Cpu: 3.5}}, ask: task.Resources{Cpu: 0.5},
		},
		"and not more": {
			there: []task.Resources{{Cpu: 4}, {Cpu: 3.5}}, ask: task.Resources{Cpu: 0.75},
			field: "Cpu", says: []string{"asks for 0.75 cores", "0.5 cores of 8 cores (4 cores allocatable, overcommitted 2 times) is free", "7.5 cores is promised to 2 tasks"},
		},
		"CPU without overcommitment": {
			edit: func(c *worker.Config) { c.OvercommitCpu = 1 }, ask: task.Resources{Cpu: 4.5},
			field: "Cpu", says: []string{"4 cores of 4 cores"},
		},
		"no request counts as the default": {
			edit:  func(c *worker.Config) { c.CapacityOverride.Memory = 300 << 20 },
			there: []task.Resources{{}}, ask: task.Resources{},
			field: "Memory", says: []string{"asks for 200MiB", "100MiB of 300MiB", "200MiB is promised"},
		},
		"the override counts": {
			edit: func(c *worker.Config) { c.CapacityOverride.Memory = 16 * gib }, ask: task.Resources{Memory: 15 * gib},
		},
		"a reserve larger than the machine": {
			edit: func(c *worker.Config) { c.Reserve.Cpu = 100 }, ask: task.Resources{Cpu: 1},
			field: "Cpu", says: []string{"0 cores of 0 cores"},
		},
		"its own disk is nearly full": {
			edit:  func(c *worker.Config) { c.Free = func() (task.Bytes, error) { return 4<<20 - 4096, nil } },
			field: "Disk", says: []string{"is left of the file system with the worker's own state", "4MiB"},
		},
		"and with a page more it is not": {
			edit: func(c *worker.Config) { c.Free = func() (task.Bytes, error) { return 4 << 20, nil } },
		},
		"more than any number": {ask: task.Resources{Cpu: 1e300}, field: "Cpu"},
		"all the bytes there are": {
			there: []task.Resources{{Memory: gib}}, ask: task.Resources{Memory: 1<<63 - 1}, field: "Memory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, test.edit)
				ask := func(r task.Resources) error {
					event := startOf(uuid.New(), 1)
					event.Task.Cpu, event.Task.Memory, event.Task.Disk = r.Cpu, r.Memory, r.Disk
					_, _, err := m.Submit(t.Context(), event)
					return err
				}
				for _, r := range test.there {
					if err := ask(r); err != nil {
						t.Fatal(err)
					}
				}
				before := m.Allocated()
				err := ask(test.ask)
				if test.field == "" {
					if err != nil {
						t.Fatalf("refused: %v", err)
					}
					return
				}
				wantCode(t, err, wire.CodeNoRoom)
				e := wire.AsError(err)
				for _, figure := range test.says {
					if !strings.Contains(e.Message, figure) {
						t.Errorf("it says %q; want %q in it", e.Message, figure)
					}
				}
				if e.Field != test.field || m.Allocated() != before {
					t.Errorf("field %q, allocated %+v; want %q, %+v as before", e.Field, m.Allocated(), test.field, before)
				}
			})
		})
	}
}

func TestRoomComesBackExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		for range 100 {
			event := startOf(uuid.New(), 1)
			event.Task.Cpu = 0.1 // has no exact binary form
			m.submit(event)
			m.stop(event.Task.ID)
		}
		synctest.Wait()
		if got := m.Allocated(); got != (task.Resources{}) {
			t.Errorf("allocated %+v after all have ended", got)
		}
	})
}

// Many who ask at once cannot overfill the machine.
func TestRacingRequestsCannotOverfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, nil)
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				event := startOf(uuid.New(), 1)
				event.Task.Memory = 1 << 30
				if _, _, err := m.Submit(t.Context(), event); err != nil && !errors.Is(err, wire.New(wire.CodeNoRoom, "")) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := len(m.Tasks(all)); n != 8 || m.Allocated().Memory != 8<<30 {
			t.Errorf("%d tasks of 1 GiB on 8 GiB, %v allocated", n, m.Allocated().Memory)
		}
	})
}

func TestUnknownCapacityIsNoCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := func() (task.Resources, error) { return task.Resources{}, errors.New("statfs: permission denied") }
		m := boot(t, func(cfg *worker.Config) { cfg.Capacity = broken })
		_, _, err := m.Submit(t.Context(), startOf(uuid.New(), 1))
		if wantCode(t, err, wire.CodeUnavailable); !strings.Contains(err.Error(), "statfs: permission denied") {
			t.Errorf("it says %q", err)
		}
		m = boot(t, func(cfg *worker.Config) {
			cfg.Capacity = broken
			cfg.CapacityOverride = task.Resources{Cpu: 1, Memory: 1 << 30, Disk: 1 << 30}
		})
		wantState(t, m.submit(startOf(uuid.New(), 1)), task.Running)
	})
}

// overfull is a store whose disk has no room for a record.
type overfull struct{ *workertest.Store }

func (overfull) Save(...worker.Record) error {
	return fmt.Errorf("worker.db cannot be written: %w", syscall.ENOSPC)
}

// A task for whose record there is no room on disk is refused so that another
// worker may have it: it is for sure not here, also not in a later life.
func TestRecordThatHasNoRoomIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, func(c *worker.Config) { c.Store = overfull{workertest.NewStore()} })
		event := startOf(uuid.New(), 1)
		_, _, err := m.Submit(t.Context(), event)
		wantCode(t, err, wire.CodeNoRoom)
		if e := wire.AsError(err); e.Field != "Disk" || !strings.Contains(e.Message, "no space left on device") {
			t.Errorf("refused with field %q: %s", e.Field, e.Message)
		}
		if (m.Allocated() != task.Resources{}) {
			t.Errorf("what was refused holds %+v", m.Allocated())
		}
		// Where not even that can be made sure of, it is another refusal.
		broken := workertest.NewStore()
		m = boot(t, func(c *worker.Config) { c.Store = broken })
		broken.Break(syscall.ENOSPC)
		_, _, err = m.Submit(t.Context(), event)
		wantCode(t, err, wire.CodeUnavailable)
	})
}
