package scheduler

// facts are what a node's last reading says of it. They are made with the
// reading and not written to after: outcomes point to them.
type facts struct {
	node string
	read bool // there was a reading
	at   Instant

	cpuUsage, cpuCores           float64 // busy share, cores
	memoryTotal, memoryAvailable float64 // bytes
	diskAvailable                float64 // bytes
	cpuDeviation                 float64 // of cpuUsage over the last readings
	memoryDeviation              float64 // of the used share
	limits                       limits
}

// sums are what tasks hold of a node.
type sums struct {
	cpu, mem, disk int64 // requests of live tasks: nanocores and bytes
	squares        int64 // MiB²: Σ of the squares of live tasks' memory requests
	missing        int64 // nanocores of live tasks that the reading does not hold yet
	leaving        int64 // nanocores of gone tasks that it holds still
	unused         int64 // bytes of memory promised and not used yet
	fresh          int64 // bytes of disk placed since the reading
	expects        estimate
	together       float64 // cores²: Σ over groups of the square of their deviations' sum
}

// seen is what a node looks like to a decision: all that its figures are made
// of.
type seen struct {
	facts *facts
	sums
	rest  float64 // cores that no measured task accounts for
	turn  uint64  // of its last placement
	tasks int32   // live ones
	stale bool    // when the columns were last settled
}

// seen returns what the node of a slot looks like, which is written down once
// for all decisions that see it so.
func (s *State) seen(q *query, slot int32) *seen {
	c := &s.columns
	if c.seen[slot] == nil {
		c.seen[slot] = q.seen.take()
		*c.seen[slot] = c.nodes[slot].seen
	}
	return c.seen[slot]
}

// room returns what the node can still promise: nanocores and bytes. CPU
// requests may total the limit. Memory and disk are promised for the task's
// whole life, by what is measured and by what is allocated, whichever is less.
func (s *sums) room(l *limits) (cpu, memory, disk int64) {
	memory = min(l.availableMemory-s.unused, l.memory-s.mem)
	// A task that asks for no disk fits where there is none.
	disk = max(0, min(l.availableDisk-s.fresh, l.disk-s.disk))
	return l.cpu - s.cpu, memory, disk
}

// figures writes what the node looks like to the scorers. Of a stale node the
// CPU is that of the allocations: how busy it is now nobody knows.
func (v *seen) figures(now Instant, f *Figures) {
	*f = Figures{
		ReadingAge: Absent(), CpuUsage: Absent(), CpuCores: Absent(),
		MemoryTotal: Absent(), MemoryAvailable: Absent(), DiskAvailable: Absent(),
		CpuPromised: cores(v.cpu), MemoryPromised: float64(v.mem), DiskPromised: float64(v.disk),
		Tasks: int(v.tasks), Turn: v.turn,
	}
	f.CpuMean, f.CpuVariance = f.CpuPromised, max(0, v.expects.variance)
	f.CpuTogether = max(0, v.together)
	f.MemorySquares = float64(v.squares) * (1 << 40)
	f.CpuExpected, f.MemoryExpected, f.DiskExpected = f.CpuPromised, f.MemoryPromised, f.DiskPromised
	r := v.facts
	if !r.read {
		return
	}
	f.ReadingAge = max(0, now-r.at).Seconds()
	f.Stale = v.stale
	f.CpuUsage, f.CpuCores = r.cpuUsage, r.cpuCores
	f.MemoryTotal, f.MemoryAvailable, f.DiskAvailable = r.memoryTotal, r.memoryAvailable, r.diskAvailable
	f.CpuLimit = cores(r.limits.cpu)
	f.MemoryLimit, f.DiskLimit = float64(r.limits.memory), float64(r.limits.disk)
	f.CpuDeviation, f.MemoryDeviation = r.cpuDeviation, r.memoryDeviation
	if measured := r.cpuUsage * r.cpuCores; Known(measured) && !f.Stale {
		f.CpuExpected = max(0, measured+cores(v.missing-v.leaving))
		f.CpuMean = v.expects.mean + v.rest
	}
	if used := r.memoryTotal - r.memoryAvailable; Known(used) {
		f.MemoryExpected = used + float64(v.unused)
	}
	_, _, disk := v.room(&r.limits)
	f.DiskExpected = f.DiskLimit - float64(disk)
}

// capacity returns the node's capacity; 0 where it is not known.
func (r *facts) capacity() Capacity {
	return Capacity{
		CpuCores:    orZero(r.cpuCores),
		CpuLimit:    cores(r.limits.cpu),
		MemoryTotal: orZero(r.memoryTotal),
		MemoryLimit: float64(r.limits.memory),
		DiskLimit:   float64(r.limits.disk),
	}
}
