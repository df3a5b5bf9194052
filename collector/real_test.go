package collector

import (
	"context"
	"math"
	"testing"
	"time"
)

// On the real machine, under a busy loop, the ratio is what procfs makes of the
// CPUs' own lines over the same two seconds, within 2 points: another reader,
// and other lines of the file, than those that the ratio is reckoned from.
func TestRatioAgreesWithTheRealCPUs(t *testing.T) {
	c, err := New(Config{DataRoot: "/"})
	must(t, err)
	perCPU := func() (busy, all float64) {
		stat, err := c.proc.Stat()
		must(t, err)
		for _, cpu := range stat.CPU {
			b := cpu.User + cpu.Nice + cpu.System + cpu.IRQ + cpu.SoftIRQ + cpu.Steal
			busy, all = busy+b, all+b+cpu.Idle+cpu.Iowait
		}
		return busy, all
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	busyBefore, allBefore := perCPU()
	if _, err := c.readCPU(time.Now()); err != nil {
		t.Fatal(err)
	}
	burn(ctx, 0.5)
	got, err := c.readCPU(time.Now())
	must(t, err)
	busyAfter, allAfter := perCPU()
	want := (busyAfter - busyBefore) / (allAfter - allBefore)
	if !got.known || math.Abs(got.usage.ratio-want) > 0.02 {
		t.Errorf("the ratio is %v, the CPUs' own lines say %v", got.usage.ratio, want)
	}
	// The loop alone is half a core's.
	if least := 0.3 / got.cores; got.usage.ratio < least {
		t.Errorf("the ratio is %v under a loop that takes %v", got.usage.ratio, 0.5/got.cores)
	}
	must(t, c.Close())
}

// burn takes one core for a share of the time, in turns of 20 ms.
func burn(ctx context.Context, duty float64) {
	const turn = 20 * time.Millisecond
	tick := time.NewTicker(turn)
	defer tick.Stop()
	for {
		for end := time.Now().Add(time.Duration(duty * float64(turn))); time.Now().Before(end); {
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
