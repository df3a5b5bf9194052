//go:build unix

package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"cube/scheduler"
)

// BenchmarkFloor holds a decision against what it could not be below if it
// looked at every node: one bare sum over the columns. What a decision touches
// is reported in bytes, of all columns and of those that are left once bounds
// have ruled blocks out; x/floor is the time of a decision over that of a sum.
func BenchmarkFloor(b *testing.B) {
	for _, spec := range []string{"epvm", "least-allocated"} {
		for _, nodes := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/nodes=%d", spec, nodes), func(b *testing.B) {
				s := fleet(b, spec, nodes)
				random := rand.New(rand.NewPCG(3, 4))
				demands := make([]scheduler.Demand, 4096)
				for i := range demands {
					demands[i] = mixed(i, random)
				}
				fill(b, s, demands, nodes)
				s.Decide(at(6), demands[0], 0)
				var deciding, summing time.Duration
				var looked int
				all, sum := s.Summing()
				var total float64
				for i := 0; b.Loop(); i++ {
					d := demands[i%len(demands)]
					d.Task = taskID(2*nodes + i)
					// Many at a time: the clock of CPU time is coarse.
					before := cpuTime(b)
					for range 100 {
						s.Decide(at(6), d, uint64(i))
					}
					between := cpuTime(b)
					for range 100 {
						total += sum()
					}
					deciding += between - before
					summing += cpuTime(b) - between
					looked += s.BytesLookedAt()
				}
				if total == 0 {
					b.Fatal("the columns are empty")
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(deciding.Nanoseconds())/float64(100*b.N), "ns/decision")
				b.ReportMetric(float64(summing.Nanoseconds())/float64(100*b.N), "ns/sum")
				b.ReportMetric(float64(all), "B/all-columns")
				b.ReportMetric(float64(looked)/float64(b.N), "B/decision")
				b.ReportMetric(float64(deciding)/float64(summing), "x/floor")
			})
		}
	}
}
