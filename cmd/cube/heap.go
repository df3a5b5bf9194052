package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapRoom is how much garbage may gather in bytes before it is collected, where
// more than that is live and the heap is not busy. Go lets as much gather as is
// live: for a manager of ten thousand nodes a quarter of a gigabyte, which mostly
// lies idle. With less room the collector runs more often, on a fleet at rest
// every quarter of a minute.
const heapRoom = 128 << 20

// How often the heap is looked at, and the least room, in percent of what is
// live: below that a collection follows the other.
const (
	heapLook       = 5 * time.Second
	leastGCPercent = 25
	goGCPercent    = 100 // Go's own
)

// busyCycles is how many collections between two looks make a heap a busy one,
// whose memory is worth less than the CPU time of collecting it. It is one until
// there was none between two looks.
const busyCycles = 2

// heapLimiter gives a heap its room for garbage.
type heapLimiter struct {
	cycles uint64 // collections at the last look
	busy   bool
}

// gcPercent is the room for garbage in percent of what is live, with so many
// collections that there were.
func (h *heapLimiter) gcPercent(live, cycles uint64) int {
	switch since := cycles - h.cycles; {
	case since >= busyCycles:
		h.busy = true
	case since == 0:
		h.busy = false
	}
	h.cycles = cycles
	if h.busy {
		return goGCPercent
	}
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
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/automatic:gc-cycles"}}
	metrics.Read(heap)
	h := heapLimiter{cycles: heap[1].Value.Uint64()}
	for set := goGCPercent; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		metrics.Read(heap)
		// Each change stops the program for a moment: small ones are left.
		want := h.gcPercent(heap[0].Value.Uint64(), heap[1].Value.Uint64())
		if want != set && (max(want-set, set-want) > 5 || want == goGCPercent) {
			debug.SetGCPercent(want)
			set = want
		}
	}
}
