package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	faultRounds = flag.Int("faults.rounds", 0, "rounds of TestFaults; 0 is 10, or 200 with CUBE_TEST_LONG")
	faultSeed   = flag.Uint64("faults.seed", 0, "seed of TestFaults; 0 takes a new one")
)

// TestFaults breaks a fleet of real programs in their own network at random,
// under load, round by round. After each round everything works again, and once
// the fleet has come to rest every accepted task is in exactly one right place,
// nothing ran twice but what the package comment of scheduler/manager allows,
// every answer that a client was given is true, who watches the tasks and resumes
// knows what the list says, and nothing has leaked.
func TestFaults(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces, small disks and stepped clocks need root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skipf("the test's network is made of TUN devices: %v", err)
	}
	rounds, seed := *faultRounds, *faultSeed
	if rounds == 0 {
		rounds = 10
		if long() {
			rounds = 200
		}
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	replay := fmt.Sprintf("go test -run '^TestFaults$' -timeout 0 ./cmd/cube -args -faults.seed=%d -faults.rounds=%d", seed, rounds)
	if raceEnabled {
		replay = "go test -race" + replay[len("go test"):]
	}
	t.Log("to replay: ", replay)
	trial := newTrial(t, seed)
	for n := 1; n <= rounds && !t.Failed(); n++ {
		trial.round(n)
	}
	trial.end()
	if t.Failed() {
		t.Logf("replay with: %s\nthe programs' logs are in %s", replay, trial.keepLogs())
	}
}

// round breaks things under load, mends them, and looks at what is left.
func (r *trial) round(n int) {
	begin := time.Now()
	plan := r.plan()
	r.blurred = slices.ContainsFunc(plan, func(f *fault) bool { return f.blurs })
	r.notes.add("round %d: %s", n, plan)
	load := r.startClients()
	var group sync.WaitGroup
	for _, f := range plan {
		group.Go(func() {
			if err := f.happen(r.t.Context()); err != nil {
				r.t.Errorf("round %d: %s: %v", n, f.what, err)
			}
		})
	}
	group.Wait()
	load.stop()
	broken := time.Since(begin)
	r.settle()
	r.check()
	r.t.Logf("round %d: %s; broken for %.1f s, at rest after %.1f s more; %d tasks so far, %d live, down %d times",
		n, plan, broken.Seconds(), (time.Since(begin) - broken).Seconds(), len(r.orders.all), len(r.live), r.downs())
	r.thinOut()
}
