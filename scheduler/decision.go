package scheduler

import (
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// Decision is one placement, or one refusal to place, with what it was made
// of: an [Outcome] written out. It holds all that is needed to recompute the figures of its candidates.
type Decision struct {
	Task uuid.UUID
	// Time is the manager's wall clock, for people; nothing is computed from it.
	Time     time.Time
	Policy   string
	Seed     uint64
	Requests task.Resources
	// CpuPredicted is how many cores the task was expected to use, by what
	// tasks of its kind were measured to use of their request.
	CpuPredicted float64
	// CpuVariance is by how much it may be wrong, in cores².
	CpuVariance float64 `json:",omitempty"`
	// Base is the base of the opportunity cost where the policy has one:
	// max(2, nodes up).
	Base float64 `json:",omitempty"`
	// Node is the winner; empty when no node passed the filters.
	Node string
	// Candidates are the winner and the next four, best first.
	Candidates []Candidate
	// Nodes is how many nodes there were, Passed how many passed the filters.
	Nodes, Passed int
	// Refused counts the refused by reason, most first; each with an example.
	Refused []RefusalCount
	// OldestReading and NewestReading are the ages of the readings used, in
	// seconds; not known where no node had one.
	OldestReading, NewestReading Figure
}

// Candidate is a node that passed, with its score and what it was made of.
type Candidate struct {
	Node       string
	Score      float64 // 0–100, higher is better
	Components []Component
	Inputs     Inputs
}

// Component is one scorer's part in a score.
type Component struct {
	Scorer string
	Score  float64 // 0–100
	Weight float64
}

// Inputs is what a node looked like to the scorers. A figure that is not known
// is null.
type Inputs struct {
	ReadingAge Figure // seconds
	Stale      bool   `json:",omitempty"`

	CpuUsageRatio Figure // as measured
	CpuCores      Figure
	CpuExpected   float64 // cores: measured, plus what was placed since, less what has ended
	CpuPromised   float64 // cores: Σ requests of live tasks
	CpuLimit      float64 // cores: overcommit × allocatable
	CpuDeviation  float64 `json:",omitempty"` // standard deviation of CpuUsageRatio over the last readings

	// CpuMean and CpuVariance (cores²) are what the node's tasks are expected
	// to use from here on if each goes its own way, by what each was measured
	// to use and by its kind; the mean with what else runs there. CpuTogether
	// (cores²) is the variance if tasks that ask for the same rise and fall
	// together; CpuGroup is Σ of the deviations of those there that ask for
	// the same as the demand.
	CpuMean     float64
	CpuVariance float64 `json:",omitempty"`
	CpuTogether float64 `json:",omitempty"`
	CpuGroup    float64 `json:",omitempty"`

	MemoryTotal     Figure  // bytes
	MemoryAvailable Figure  // bytes, as measured
	MemoryExpected  float64 // bytes in use: measured, plus what was promised and is not used yet
	MemoryPromised  float64 // bytes: Σ requests of live tasks
	MemoryLimit     float64 // bytes: allocatable
	MemoryDeviation float64 `json:",omitempty"` // standard deviation of the used share over the last readings
	// MemorySquares (bytes²) is Σ of the squares of the requests of live tasks:
	// by how much MemoryPromised moves when tasks come and go.
	MemorySquares float64 `json:",omitempty"`

	DiskAvailable Figure  // bytes, as measured
	DiskExpected  float64 // bytes of DiskLimit that no task may ask for any more
	DiskPromised  float64 // bytes: Σ requests of live tasks
	DiskLimit     float64 // bytes: allocatable

	Tasks int // live tasks there
	// Turn numbers the placements of the state: that of the last one on this
	// node, 0 before the first.
	Turn uint64 `json:",omitempty"`
}

// Code names why a node was refused.
type Code string

// The reasons there are.
const (
	RefusedDown        Code = "down"        // not read for longer than the node timeout
	RefusedNoReading   Code = "no_reading"  // never read, or without the figures a promise needs
	RefusedDraining    Code = "draining"    // takes no new tasks
	RefusedStale       Code = "stale"       // its reading is old and a fresh node fits
	RefusedConstraint  Code = "constraint"  // a label is not as asked
	RefusedCpu         Code = "cpu"         // Σ CPU requests would exceed overcommit × allocatable
	RefusedMemory      Code = "memory"      // less memory available or allocatable than asked
	RefusedDisk        Code = "disk"        // less disk available or allocatable than asked
	RefusedPort        Code = "port"        // a host port asked for is taken
	RefusedSpreadLimit Code = "spread"      // as many tasks of this name there as allowed
	RefusedByWorker    Code = "by_worker"   // the worker itself refused this allocation
	RefusedUnreachable Code = "unreachable" // the worker did not answer the dispatch
)

// Refusal is why one node was refused, as data and as a sentence.
type Refusal struct {
	Node     string
	Code     Code
	Resource string  `json:",omitempty"` // "cpu" (cores), "memory" or "disk" (bytes)
	Asked    float64 `json:",omitempty"`
	// There is what the node could still give; Promised is what of it live
	// tasks have not used yet.
	There    float64 `json:",omitempty"`
	Promised float64 `json:",omitempty"`
	Reason   string  // "needs 4 GiB; 2.1 GiB available, of which …"
}

// RefusalCount counts the nodes refused for one reason.
type RefusalCount struct {
	Code  Code
	Count int
	// Examples are the first few by node name, so that in a small fleet
	// every node is named.
	Examples []Refusal
}
