package scheduler

import "math"

// limits are what a reading says can be promised of a node.
type limits struct {
	cpu, memory, disk int64 // nanocores and bytes that requests may total
	// What was available, in bytes.
	availableMemory, availableDisk int64
}

// limits returns the reading's. A node that does not say what it gives gives
// what it has.
func (r *Reading) limits(overcommit float64) limits {
	allocatable := r.AllocatableCpu
	if !Known(allocatable) {
		allocatable = r.CpuCores
	}
	if Known(r.OvercommitCpu) {
		overcommit = r.OvercommitCpu
	}
	return limits{
		cpu:             nanocores(orZero(min(allocatable*overcommit, 1e9))),
		memory:          bytesOr(r.AllocatableMemory, r.MemoryTotal),
		disk:            bytesOr(r.AllocatableDisk, r.DiskTotal),
		availableMemory: wholeBytes(r.MemoryAvailable),
		availableDisk:   wholeBytes(r.DiskAvailable),
	}
}

func bytesOr(v, instead float64) int64 {
	if !Known(v) {
		v = instead
	}
	return wholeBytes(v)
}

// wholeBytes turns a figure of a reading into a whole number; 0 where it is
// absent.
func wholeBytes(v float64) int64 { return int64(min(orZero(v), math.MaxInt64/4)) }

// room returns what the node can still promise: nanocores and bytes. CPU
// requests may total the limit. Memory and disk are promised for the task's
// whole life, by what is measured and by what is allocated, whichever is less.
func (n *node) room() (cpu, memory, disk int64) {
	l := &n.limits
	memory = min(l.availableMemory-n.unused, l.memory-n.mem)
	// A task that asks for no disk fits where there is none.
	disk = max(0, min(l.availableDisk-n.fresh, l.disk-n.disk))
	return l.cpu - n.cpu, memory, disk
}
