package swarmkit

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// full lets SwarmKit place all of 100,000 tasks one by one on 100,000 nodes,
// which takes it a quarter of an hour. Its rate is the same after fewer.
var full = flag.Bool("full", false, "place every task of the largest case one by one")

const fewer = 2_000

// scale is how many tasks are placed on how many nodes.
type scale struct{ nodes, tasks int }

func (s scale) String() string { return fmt.Sprintf("nodes=%d/tasks=%d", s.nodes, s.tasks) }

var scales = []scale{{1_000, 10_000}, {1_000, 100_000}, {100_000, 100_000}}

// BenchmarkPlace runs Cube and its peer in turn, so that a machine which is
// shared slows both.
func BenchmarkPlace(b *testing.B) {
	for _, s := range scales {
		for _, way := range []string{"single", "batch"} {
			peers := s
			if way == "single" && s.nodes > 10_000 && !*full {
				peers.tasks = fewer
			}
			for _, policy := range []string{"epvm", "least-allocated", "measured"} {
				b.Run(fmt.Sprintf("%s/%s/cube-%s", way, s, policy), func(b *testing.B) {
					repeat(b, func() result { return placeByCube(b, policy, way == "batch", s) })
				})
			}
			b.Run(fmt.Sprintf("%s/%s/swarmkit", way, peers), func(b *testing.B) {
				repeat(b, func() result { return placeBySwarmKit(b, way == "batch", peers) })
			})
		}
	}
}

// result is what placing all tasks of a scale took.
type result struct {
	placed    int
	took, cpu time.Duration
}

// repeat reports placements by the wall clock and by CPU time.
func repeat(b *testing.B, run func() result) {
	b.Helper()
	var all result
	for b.Loop() {
		r := run()
		all.placed, all.took, all.cpu = all.placed+r.placed, all.took+r.took, all.cpu+r.cpu
	}
	b.ReportMetric(0, "ns/op") // it holds the making of the fleet too
	b.ReportMetric(float64(all.placed)/all.took.Seconds(), "placements/s")
	b.ReportMetric(float64(all.placed)/all.cpu.Seconds(), "placements/cpu-s")
}

// watch is a stopwatch of wall clock and CPU time.
type watch struct {
	began time.Time
	cpu   time.Duration
}

func startWatch(b *testing.B) watch {
	b.Helper()
	return watch{began: time.Now(), cpu: cpuTime(b)}
}

func (w watch) stop(b *testing.B, placed int) result {
	b.Helper()
	return result{placed: placed, took: time.Since(w.began), cpu: cpuTime(b) - w.cpu}
}

// cpuTime is how much CPU this process has had.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
