//go:build unix

package scheduler_test

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is how much CPU this process has had: on a machine that is shared,
// what a decision costs is seen better by it than by the wall clock.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// reportRate reports how many decisions there were a second of CPU.
func reportRate(b *testing.B, decisions int, used time.Duration) {
	b.Helper()
	b.ReportMetric(float64(decisions)/used.Seconds(), "decisions/cpu-s")
}
