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
