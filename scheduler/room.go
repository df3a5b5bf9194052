package scheduler

import "math"

// cpuLimit is how many nanocores the requests on the node may total.
func (n *node) cpuLimit(overcommit float64) int64 {
	allocatable := n.reading.AllocatableCpu
	if !Known(allocatable) {
		allocatable = n.reading.CpuCores
	}
	if Known(n.reading.OvercommitCpu) {
		overcommit = n.reading.OvercommitCpu
	}
	return nanocores(orZero(min(allocatable*overcommit, 1e9)))
}

// memoryLimit is how many bytes the memory requests on the node may total. A
// node that does not say what it gives gives what it has.
func (n *node) memoryLimit() int64 {
	return bytesOr(n.reading.AllocatableMemory, n.reading.MemoryTotal)
}

// diskLimit is the same for disk.
func (n *node) diskLimit() int64 {
	return bytesOr(n.reading.AllocatableDisk, n.reading.DiskTotal)
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
func (n *node) room(overcommit float64) (cpu, memory, disk int64) {
	cpu = n.cpuLimit(overcommit) - n.cpu
	memory = min(wholeBytes(n.reading.MemoryAvailable)-n.unused, n.memoryLimit()-n.mem)
	// A task that asks for no disk fits where there is none.
	disk = max(0, min(wholeBytes(n.reading.DiskAvailable)-n.fresh, n.diskLimit()-n.disk))
	return cpu, memory, disk
}
