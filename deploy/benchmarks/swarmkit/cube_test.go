package swarmkit

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/worker/task"
)

// batchSize is how many equal tasks Cube decides at once.
const batchSize = 1000

const now = scheduler.Instant(5 * time.Second)

// placeByCube decides, places and writes down every task.
func placeByCube(b *testing.B, spec string, batch bool, s scale) result {
	b.Helper()
	state := cubeFleet(b, spec, s)
	demands := cubeDemands(s.tasks, batch)
	records := make([][]byte, 0, s.tasks)
	keep := func(o *scheduler.Outcome) {
		if o.Node() == "" {
			b.Fatalf("a task was refused everywhere: %+v", o.Decision().Refused)
		}
		record, err := o.MarshalBinary()
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, record)
	}
	w := startWatch(b)
	for i := 0; i < len(demands); {
		if batch {
			group := demands[i:min(i+batchSize, len(demands))]
			made := state.DecideBatch(now, group, uint64(i))
			for k := range made {
				keep(&made[k])
			}
			i += len(group)
			continue
		}
		made := state.Decide(now, demands[i], uint64(i))
		keep(&made)
		p := scheduler.Placement{Demand: demands[i], Node: made.Node(), At: now, StartTime: scheduler.Absent()}
		if err := state.Place(p); err != nil {
			b.Fatal(err)
		}
		i++
	}
	return w.stop(b, len(records))
}

// cubeFleet is a state of nodes of three sizes, differently busy, with room for
// all the tasks.
func cubeFleet(b *testing.B, spec string, s scale) *scheduler.State {
	b.Helper()
	chosen, err := policy.New(spec)
	if err != nil {
		b.Fatal(err)
	}
	state, err := scheduler.NewState(scheduler.Config{Policy: chosen})
	if err != nil {
		b.Fatal(err)
	}
	const gib = 1 << 30
	random := rand.New(rand.NewPCG(1, 2))
	for i := range s.nodes {
		name := fmt.Sprintf("node-%06d", i)
		state.SetNode(scheduler.Node{Name: name})
		size := float64(int(1) << random.IntN(3))
		r := scheduler.Reading{
			Node: name, At: scheduler.Instant(random.Float64() * float64(now)), Clock: 1000,
			CpuUsage: 0.1 + 0.6*random.Float64(), CpuWindow: 15, CpuCores: 256 * size, AllocatableCpu: 256 * size, OvercommitCpu: 2,
			MemoryTotal: 1024 * size * gib, AllocatableMemory: 1000 * size * gib,
			MemoryAvailable: 1024 * size * gib * (0.6 + 0.3*random.Float64()),
			DiskTotal:       1e4 * gib, DiskAvailable: 9e3 * gib, AllocatableDisk: 9e3 * gib,
			Load1: 1, TasksGeneration: 1,
		}
		if err := state.Observe(r); err != nil {
			b.Fatal(err)
		}
	}
	return state
}

// cubeDemands are tasks of which no two are alike, or of one kind.
func cubeDemands(n int, alike bool) []scheduler.Demand {
	random := rand.New(rand.NewPCG(3, 4))
	demands := make([]scheduler.Demand, n)
	asks := task.Resources{Cpu: 0.25, Memory: 256 << 20, Disk: 1 << 30}
	for i := range demands {
		if !alike {
			asks = task.Resources{
				Cpu: 0.05 + float64(random.IntN(4000))/4000, Memory: task.Bytes(random.IntN(2 << 30)), Disk: task.Bytes(random.IntN(2 << 30)),
			}
		}
		demands[i] = scheduler.Demand{Task: number(i), Requests: asks}
	}
	return demands
}

func number(i int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(i))
	id[15] = 1
	return id
}
