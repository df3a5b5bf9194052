package scrape

import (
	"slices"

	"cube/scheduler"
)

// absentReading is a reading in which nothing is known.
func absentReading(node string) scheduler.Reading {
	a := scheduler.Absent()
	return scheduler.Reading{
		Node: node, Clock: a,
		CpuUsage: a, CpuWindow: a, CpuCores: a,
		MemoryTotal: a, MemoryAvailable: a, DiskTotal: a, DiskAvailable: a, Load1: a,
		AllocatableCpu: a, AllocatableMemory: a, AllocatableDisk: a, OvercommitCpu: a,
		TasksGeneration: a,
	}
}

// reading makes the reading of a page that came in at the given instant, and
// brings the target's memory up to date. What cannot be is a failure.
func (p *page) reading(node string, at scheduler.Instant, m *memory) (scheduler.Reading, *Failure) {
	if failure := p.checkClock(m); failure != nil {
		return absentReading(node), failure
	}
	p.deriveCpu(at, m)
	p.deriveDisk()
	p.deriveAllocatable()
	if failure := p.check(); failure != nil {
		return absentReading(node), failure
	}
	n := &p.numbers
	return scheduler.Reading{
		Node: node, Names: p.source.names, At: at, Clock: n[Clock],
		CpuUsage: n[CpuUsage], CpuWindow: n[CpuWindow], CpuCores: n[CpuCores],
		MemoryTotal: n[MemoryTotal], MemoryAvailable: n[MemoryAvailable],
		DiskTotal: n[DiskTotal], DiskAvailable: n[DiskAvailable], Load1: n[Load1],
		AllocatableCpu: n[AllocatableCpu], AllocatableMemory: n[AllocatableMemory],
		AllocatableDisk: n[AllocatableDisk], OvercommitCpu: n[OvercommitCpu],
		TasksGeneration: n[TasksGeneration],
		Tasks:           slices.Clone(p.tasks),
	}, nil
}

// checkClock refuses a page whose clock is behind that of the page before: one
// of the two is wrong, and what they say of windows and start times cannot be
// compared. The next page is held against this one, so that a clock which was
// set right costs one reading and not all until it has caught up.
func (p *page) checkClock(m *memory) *Failure {
	before, now := m.clock, p.numbers[Clock]
	if !scheduler.Known(now) {
		return nil
	}
	m.clock = now
	if scheduler.Known(before) && now < before {
		return impossible(p.source.metric(Clock), "ran backwards by %.3f s", before-now)
	}
	return nil
}

// deriveCpu computes usage and cores from counters of CPU time.
func (p *page) deriveCpu(at scheduler.Instant, m *memory) {
	if !p.seen.contains(CpuBusySeconds) || !p.seen.contains(CpuIdleSeconds) {
		return
	}
	p.cpu.at = at
	ratio, window := m.usage.observe(&p.cpu)
	if !p.source.has.contains(CpuUsage) {
		p.numbers[CpuUsage], p.numbers[CpuWindow] = ratio, window
	}
	if !p.source.has.contains(CpuCores) {
		p.numbers[CpuCores] = p.cpu.cores()
	}
}

// deriveDisk takes the mount that holds the data root for the disk, if the page
// has both its figures.
func (p *page) deriveDisk() {
	total, available := p.mounts[0], p.mounts[1]
	if p.source.has.contains(DiskTotal) || total.point == 0 || total.point != available.point {
		return
	}
	p.numbers[DiskTotal], p.numbers[DiskAvailable] = total.bytes, available.bytes
}

// deriveAllocatable lets all of the machine stand for what tasks may ask for,
// where the source knows of no reserve.
func (p *page) deriveAllocatable() {
	has := p.source.has
	if has.contains(AllocatableCpu) || has.contains(AllocatableMemory) || has.contains(AllocatableDisk) {
		return
	}
	n := &p.numbers
	n[AllocatableCpu], n[AllocatableMemory], n[AllocatableDisk] = n[CpuCores], n[MemoryTotal], n[DiskTotal]
}

// check refuses numbers that cannot be. That each is finite and not negative
// was seen when it was read; an absent one passes every comparison.
func (p *page) check() *Failure {
	for _, f := range [...]Figure{Clock, CpuWindow, CpuCores, MemoryTotal, DiskTotal, OvercommitCpu} {
		if p.numbers[f] == 0 {
			return impossible(p.name(f), "is 0")
		}
	}
	if p.numbers[CpuUsage] > 1 {
		return impossible(p.name(CpuUsage), "is %v, more than 1", p.numbers[CpuUsage])
	}
	for _, pair := range [...][2]Figure{{MemoryAvailable, MemoryTotal}, {DiskAvailable, DiskTotal}} {
		part, whole := p.numbers[pair[0]], p.numbers[pair[1]]
		if part > whole {
			return impossible(p.name(pair[0]), "is %.0f, more than %s, %.0f", part, p.name(pair[1]), whole)
		}
	}
	return nil
}

// name is what the figure, or what it is made of, is called on the page.
func (p *page) name(f Figure) string {
	if from, is := derived[f]; is && !p.source.has.contains(f) {
		f = from
	}
	return p.source.metric(f)
}

// absent returns the figures that the source has and the page had not. A node
// without tasks has no figures of tasks, and lacks none.
func (p *page) absent() figureSet {
	var tasks figureSet
	for f := TaskCpuSeconds; f < figures; f++ {
		tasks.add(f)
	}
	lacking := p.source.has &^ p.seen
	if p.seen&tasks == 0 {
		lacking &^= tasks
	}
	return lacking
}
