package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapRoom is how much garbage may gather in bytes before it is collected, where
// more than that is live. Go lets as much gather as is live: for a manager of ten
// thousand nodes a quarter of a gigabyte, which mostly lies idle. With less room
// the collector runs more often, on a fleet at rest every quarter of a minute.
const heapRoom = 128 << 20

// How often the heap is looked at, and the least room, in percent of what is
// live: below that a collection follows the other.
const (
	heapLook       = 5 * time.Second
	leastGCPercent = 25
	goGCPercent    = 100 // Go's own
)

// gcPercent is the room for garbage in percent of what is live.
func gcPercent(live uint64) int {
	return int(min(goGCPercent, max(leastGCPercent, 100*heapRoom/max(1, live))))
}

// boundGarbage keeps the process's room for garbage until ctx ends, unless GOGC
// says what it is to be.
func boundGarbage(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	defer debug.SetGCPercent(goGCPercent)
	tick := time.NewTicker(heapLook)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for set := goGCPercent; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		metrics.Read(live)
		// Each change stops the program for a moment: small ones are left.
		if want := gcPercent(live[0].Value.Uint64()); want != set && (max(want-set, set-want) > 5 || want == goGCPercent) {
			debug.SetGCPercent(want)
			set = want
		}
	}
}
