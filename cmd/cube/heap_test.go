package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestRoomForGarbage(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 100}, {20 << 20, 100}, {heapRoom, 100}, {2 * heapRoom, 50}, {100 * heapRoom, 25}} {
		if got := new(heapLimiter).gcPercent(c.live, 0); got != c.want {
			t.Errorf("with %d MiB live the room is %d %%, want %d", c.live>>20, got, c.want)
		}
	}
}

// A heap that is collected again and again is given Go's own room, until there is
// nothing to collect for a while.
func TestBusyHeapHasRoom(t *testing.T) {
	h := heapLimiter{cycles: 7}
	for i, look := range []struct {
		cycles uint64
		want   int
	}{{8, 50}, {9, 50}, {11, 100}, {12, 100}, {14, 100}, {15, 100}, {15, 50}, {16, 50}} {
		if got := h.gcPercent(2*heapRoom, look.cycles); got != look.want {
			t.Errorf("at look %d, with %d collections, the room is %d %%, want %d", i, look.cycles, got, look.want)
		}
	}
}

// A large heap is given less room, and what is not a manager's any more its own.
func TestGarbageIsBounded(t *testing.T) {
	t.Setenv("GOGC", "")
	large := make([]byte, 3*heapRoom)
	runtime.GC() // counts it as live
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- boundGarbage(ctx) }()
		<-time.After(heapLook + time.Second)
		if got := setGCPercent(); got > 34 || got < leastGCPercent {
			t.Errorf("the room is %d %%", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if got := setGCPercent(); got != goGCPercent {
		t.Errorf("at last the room is %d %%", got)
	}
	runtime.KeepAlive(large)
}

// setGCPercent is what is set.
func setGCPercent() int {
	percent := debug.SetGCPercent(goGCPercent)
	debug.SetGCPercent(percent)
	return percent
}
