package scheduler

import (
	"fmt"
	"math"

	"github.com/google/uuid"
)

// Placement says that a task is on a node from At on.
type Placement struct {
	Demand
	Node string
	// At is when the manager chose the node, on its monotonic clock.
	At Instant
	// StartTime is when the task started, on the worker's clock in Unix
	// seconds; [Absent] until it is known.
	StartTime float64
}

// End says when a task ended or left its node.
type End struct {
	At Instant // the manager's monotonic clock
	// FinishTime is the same on the worker's clock, in Unix seconds;
	// [Absent] where it is not known.
	FinishTime float64
}

// placed is a task on a node, or one that has left it and is still inside the
// window of its last reading. Amounts are whole numbers (nanocores, bytes), so
// that what is taken away is exactly what was added.
type placed struct {
	// What points elsewhere stands first: the garbage collector looks no
	// further.
	name  string
	node  *node
	ports []uint16
	named *shares // where what the predictor was told of it went by its name
	kind  kind

	id    uuid.UUID
	index int // in node.live
	at    Instant

	cpu    int64 // nanocores asked for
	memory int64 // bytes asked for
	disk   int64 // bytes asked for

	start  float64 // worker's clock; absent until known
	finish float64 // worker's clock; absent while live
	ended  Instant // manager's clock, set with finish
	meter  meter
	taught shares // what the predictor was told of it

	// What it holds of its node's sums at present.
	missing int64 // nanocores of its use that the reading does not hold yet (live), or holds still (ended)
	unused  int64 // bytes of its memory request it does not use yet
	expects estimate
	fresh   bool // placed since the reading: its disk request is not in it
}

// nanocores turns cores into the whole number that sums are kept in.
func nanocores(cores float64) int64 { return int64(math.Round(cores * 1e9)) }

// cores is the inverse of nanocores.
func cores(nano int64) float64 { return float64(nano) / 1e9 }

func (p *Placement) check() error {
	for _, r := range [...]struct {
		what  string
		value float64
		most  float64
	}{
		{"cores", p.Requests.Cpu, 1e9},
		{"bytes of memory", float64(p.Requests.Memory), math.MaxInt64 / 2},
		{"bytes of disk", float64(p.Requests.Disk), math.MaxInt64 / 2},
	} {
		if !(r.value >= 0 && r.value <= r.most) {
			return fmt.Errorf("task %s asks for %v %s; want 0 to %v", p.Task, r.value, r.what, r.most)
		}
	}
	return nil
}

// within returns which share of the window of w seconds that ends at clock lies
// between start and finish. A window of 0 is an instant: all or nothing.
func within(start, finish, clock, w float64) float64 {
	if w <= 0 {
		if start < clock && finish >= clock {
			return 1
		}
		return 0
	}
	return max(0, min(finish, clock)-max(start, clock-w)) / w
}
