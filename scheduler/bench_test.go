//go:build unix

package scheduler_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"cube/scheduler"
)

// kinds of fleets, by how far the capacities of machines of one size differ: not
// at all, by less than 1 in 2,000 (as the memory of machines of one model does),
// by up to a half.
var kinds = []struct {
	name   string
	differ float64
}{{"", 0}, {"/bytes-apart", 1.0 / 2048}, {"/all-different", 0.5}}

// fleet returns a state of so many nodes of three sizes, differently busy, whose
// capacities differ by up to so much of them.
func fleet(t testing.TB, spec string, nodes int, differ float64) *scheduler.State {
	t.Helper()
	random, more := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(6, 7))
	s := newState(t, spec, 0)
	for i := range nodes {
		name := fmt.Sprintf("node-%06d", i)
		s.SetNode(scheduler.Node{Name: name})
		r := reading(name, random.Float64()*5)
		size := float64(int(1) << random.IntN(3)) // 1, 2, 4
		r.CpuCores, r.AllocatableCpu = 16*size, 16*size
		r.MemoryTotal, r.AllocatableMemory = size*64*gib, size*60*gib
		for _, v := range []*float64{&r.MemoryTotal, &r.AllocatableMemory, &r.AllocatableDisk} {
			*v -= math.Floor(*v * differ * more.Float64())
		}
		r.MemoryAvailable = r.MemoryTotal * (0.3 + 0.6*random.Float64())
		r.CpuUsage = 0.1 + 0.6*random.Float64()
		observe(t, s, r)
	}
	return s
}

// sizes are the fleets that are measured: of each number of nodes all kinds.
func sizes() []fleetSize {
	var list []fleetSize
	for _, nodes := range []int{1_000, 10_000, 100_000} {
		for _, kind := range kinds {
			list = append(list, fleetSize{nodes, kind.name, kind.differ})
		}
	}
	return list
}

type fleetSize struct {
	nodes  int
	name   string
	differ float64
}

// measuredPolicies are those whose speed is watched, with how many terms of a
// node each reads.
func measuredPolicies() map[string]int {
	return map[string]int{"epvm": 3, "least-allocated": 1, "spread": 2, "measured": 3}
}

// BenchmarkDecide decides and places demands of which no two are alike, each in
// place of one of those before. It reports how many bytes of the columns a
// decision reads, and how many times as long it takes, with all that belongs to
// it, as adding up the terms of all nodes once.
func BenchmarkDecide(b *testing.B) {
	policies := measuredPolicies()
	for _, spec := range slices.Sorted(maps.Keys(policies)) {
		for _, size := range sizes() {
			nodes := size.nodes
			b.Run(fmt.Sprintf("%s/nodes=%d%s", spec, nodes, size.name), func(b *testing.B) {
				s := fleet(b, spec, nodes, size.differ)
				random := rand.New(rand.NewPCG(3, 4))
				demands := make([]scheduler.Demand, 4096)
				for i := range demands {
					demands[i] = mixed(i, random)
				}
				fill(b, s, demands, nodes)
				i := 2 * nodes
				s.Decide(at(6), demands[0], 0) // sorts the nodes
				warmHeap()
				b.ReportAllocs()
				touched := 0
				before := cpuTime(b)
				for b.Loop() {
					d := demands[i%len(demands)]
					d.Task = taskID(i)
					made := s.Decide(at(6), d, uint64(i))
					touched += s.Touched(policies[spec])
					err := s.Place(scheduler.Placement{Demand: d, Node: made.Node(), At: at(6), StartTime: scheduler.Absent()})
					if err == nil {
						err = s.Remove(taskID(i-2*nodes), scheduler.End{At: at(6), FinishTime: scheduler.Absent()})
					}
					if err != nil {
						b.Fatal(err)
					}
					i++
				}
				used := cpuTime(b) - before
				reportRate(b, b.N, used)
				b.ReportMetric(float64(touched)/float64(b.N), "touched-B/op")
				b.ReportMetric(used.Seconds()/float64(b.N)/sumTime(b, nodes*policies[spec]).Seconds(), "sums/op")
			})
		}
	}
}

// BenchmarkDecideBatch decides and places 1,000 equal demands at once. They
// leave again outside of the measured time, with what the state makes of that.
func BenchmarkDecideBatch(b *testing.B) {
	for _, spec := range slices.Sorted(maps.Keys(measuredPolicies())) {
		for _, size := range sizes() {
			nodes := size.nodes
			b.Run(fmt.Sprintf("%s/nodes=%d%s", spec, nodes, size.name), func(b *testing.B) {
				s := fleet(b, spec, nodes, size.differ)
				random := rand.New(rand.NewPCG(3, 4))
				demands := make([]scheduler.Demand, 4096)
				for i := range demands {
					demands[i] = mixed(i, random)
				}
				fill(b, s, demands, nodes)
				batch := make([]scheduler.Demand, 1000)
				s.Decide(at(6), demands[0], 0)
				warmHeap()
				b.ReportAllocs()
				n := 0
				var used time.Duration
				for b.Loop() {
					for i := range batch {
						batch[i] = demands[n%len(demands)]
						batch[i].Task = taskID(2*nodes + i)
					}
					before := cpuTime(b)
					s.DecideBatch(at(6), batch, uint64(n))
					used += cpuTime(b) - before
					b.StopTimer()
					for i := range batch {
						remove(b, s, 2*nodes+i)
					}
					s.Decide(at(6), demands[0], 0) // looks at the nodes they left
					n++
					b.StartTimer()
				}
				reportRate(b, b.N*len(batch), used)
			})
		}
	}
}

// warmHeap makes the heap what it is in a process that has run for a while: what
// the garbage collector lets it grow to has been written to before. What is
// measured is to be deciding, and not the kernel that hands out its first pages.
func warmHeap() {
	runtime.GC()
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	if heap.NextGC > heap.HeapAlloc {
		grown := make([]byte, heap.NextGC-heap.HeapAlloc)
		for i := 0; i < len(grown); i += 4096 {
			grown[i] = 1
		}
	}
	runtime.GC()
}

// sumTime is how long it takes to add up so many numbers that lie in a row, on
// average.
func sumTime(b *testing.B, many int) time.Duration {
	b.Helper()
	column := make([]float32, many)
	for i := range column {
		column[i] = float32(i % 100)
	}
	rounds := 30_000_000/many + 1
	before, total := cpuTime(b), float32(0)
	for range rounds {
		total += sum(column)
	}
	used := cpuTime(b) - before
	if total <= 0 {
		b.Fatalf("the sum is %v", total)
	}
	return used / time.Duration(rounds)
}

// sum has four sums on the way, so that none waits for the one before.
func sum(column []float32) float32 {
	var sums [4]float32
	for ; len(column) >= 4; column = column[4:] {
		sums[0] += column[0]
		sums[1] += column[1]
		sums[2] += column[2]
		sums[3] += column[3]
	}
	for _, v := range column {
		sums[0] += v
	}
	return sums[0] + sums[1] + sums[2] + sums[3]
}

// fill puts two tasks a node where chance will have them.
func fill(b *testing.B, s *scheduler.State, demands []scheduler.Demand, nodes int) {
	b.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	for i := range 2 * nodes {
		d := demands[i%len(demands)]
		d.Task = taskID(i)
		place(b, s, scheduler.Placement{Demand: d, Node: fmt.Sprintf("node-%06d", random.IntN(nodes)), At: at(6), StartTime: scheduler.Absent()})
	}
}

func remove(b *testing.B, s *scheduler.State, n int) {
	b.Helper()
	if err := s.Remove(taskID(n), scheduler.End{At: at(6), FinishTime: scheduler.Absent()}); err != nil {
		b.Fatal(err)
	}
}
