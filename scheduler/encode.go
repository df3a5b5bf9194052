package scheduler

import (
	"errors"
	"fmt"
)

// The compact form of a decision, for stores that keep one for each task:
// about a fifth of its JSON. It starts with a version; what a reader does not
// know it refuses. Version 1 has no MemorySquares.
const (
	encodingVersion = 2
	encodingOldest  = 1
)

// The fewest bytes that each of these takes.
const (
	leastCandidate    = 26
	leastComponent    = 3
	leastRefusalCount = 3
	leastRefusal      = 8
)

// mostlyEnough is as many bytes as few decisions take more than.
const mostlyEnough = 512

// newWriter returns a coder that has written the version.
func newWriter() coder {
	return coder{data: append(make([]byte, 0, mostlyEnough), encodingVersion), version: encodingVersion}
}

// MarshalBinary returns the compact form.
func (d *Decision) MarshalBinary() ([]byte, error) {
	e := newWriter()
	e.decision(d)
	return e.data, e.err
}

// UnmarshalBinary reads the compact form.
func (d *Decision) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] < encodingOldest || data[0] > encodingVersion {
		return errors.New("not a decision in a form that is known here")
	}
	e := coder{data: data[1:], reading: true, version: data[0]}
	var read Decision
	if e.decision(&read); e.err != nil {
		return e.err
	}
	if len(e.data) > 0 {
		return fmt.Errorf("a decision with %d bytes too many", len(e.data))
	}
	*d = read
	return nil
}

func (e *coder) decision(d *Decision) {
	e.head(d)
	n := e.length(len(d.Candidates), leastCandidate)
	if e.reading && n > 0 {
		d.Candidates = make([]Candidate, n)
	}
	before := new(Candidate)
	for i := range d.Candidates {
		e.candidate(&d.Candidates[i], before)
		before = &d.Candidates[i]
	}
	e.refused(d)
}

// head is what stands before the candidates.
func (e *coder) head(d *Decision) {
	e.id(&d.Task)
	e.time(&d.Time)
	e.text(&d.Policy)
	e.whole(&d.Seed)
	e.float(&d.Requests.Cpu, 0)
	e.bytes(&d.Requests.Memory)
	e.bytes(&d.Requests.Disk)
	e.float(&d.CpuPredicted, d.Requests.Cpu)
	e.float(&d.CpuVariance, 0)
	e.float(&d.Base, 0)
	e.name(&d.Node)
	e.count(&d.Nodes)
	e.count(&d.Passed)
	e.optional(&d.OldestReading, Figure{})
	e.optional(&d.NewestReading, Figure{})
}

// refused is what stands after them.
func (e *coder) refused(d *Decision) {
	n := e.length(len(d.Refused), leastRefusalCount)
	if e.reading && n > 0 {
		d.Refused = make([]RefusalCount, n)
	}
	for i := range d.Refused {
		e.refusalCount(&d.Refused[i])
	}
}

// candidate is written by what is different from the one before.
func (e *coder) candidate(c, before *Candidate) {
	e.name(&c.Node)
	n := e.length(len(c.Components), leastComponent)
	if e.reading && n > 0 {
		c.Components = make([]Component, n)
	}
	for i := range c.Components {
		part := &c.Components[i]
		var last Component
		if i < len(before.Components) {
			last = before.Components[i]
		}
		if e.same(part.Scorer == last.Scorer) {
			part.Scorer = last.Scorer
		} else {
			e.text(&part.Scorer)
		}
		e.float(&part.Score, last.Score)
		e.float(&part.Weight, last.Weight)
	}
	made := 0.0
	if n > 0 {
		made = total(c.Components)
	}
	e.float(&c.Score, made)
	e.inputs(&c.Inputs, &before.Inputs)
}

func (e *coder) inputs(in, before *Inputs) {
	e.optional(&in.ReadingAge, before.ReadingAge)
	e.flag(&in.Stale)
	e.optional(&in.CpuUsageRatio, before.CpuUsageRatio)
	e.optional(&in.CpuCores, before.CpuCores)
	e.float(&in.CpuExpected, product(in.CpuUsageRatio, in.CpuCores))
	e.float(&in.CpuPromised, before.CpuPromised)
	e.float(&in.CpuLimit, before.CpuLimit)
	e.float(&in.CpuDeviation, before.CpuDeviation)
	e.float(&in.CpuMean, in.CpuExpected)
	e.float(&in.CpuVariance, before.CpuVariance)
	e.float(&in.CpuTogether, in.CpuVariance)
	e.float(&in.CpuGroup, before.CpuGroup)
	e.optional(&in.MemoryTotal, before.MemoryTotal)
	e.optional(&in.MemoryAvailable, before.MemoryAvailable)
	e.float(&in.MemoryExpected, difference(in.MemoryTotal, in.MemoryAvailable))
	e.float(&in.MemoryPromised, before.MemoryPromised)
	e.float(&in.MemoryLimit, before.MemoryLimit)
	e.float(&in.MemoryDeviation, before.MemoryDeviation)
	if e.version > 1 {
		e.float(&in.MemorySquares, before.MemorySquares)
	}
	e.optional(&in.DiskAvailable, before.DiskAvailable)
	e.float(&in.DiskPromised, before.DiskPromised)
	e.float(&in.DiskExpected, in.DiskPromised)
	e.float(&in.DiskLimit, before.DiskLimit)
	e.count(&in.Tasks)
	e.whole(&in.Turn)
}

// product and difference are what two figures make that an expected use is near
// to.
func product(a, b Figure) float64 { return orZero(a.Value() * b.Value()) }

func difference(a, b Figure) float64 { return orZero(a.Value() - b.Value()) }

func (e *coder) refusalCount(r *RefusalCount) {
	code := string(r.Code)
	e.text(&code)
	r.Code = Code(code)
	e.count(&r.Count)
	n := e.length(len(r.Examples), leastRefusal)
	if e.reading && n > 0 {
		r.Examples = make([]Refusal, n)
	}
	before := new(Refusal)
	for i := range r.Examples {
		x := &r.Examples[i]
		e.name(&x.Node)
		own := string(x.Code)
		if same := own == code; !e.same(same) {
			e.text(&own)
		} else {
			own = code
		}
		x.Code = Code(own)
		e.text(&x.Resource)
		e.float(&x.Asked, before.Asked)
		e.float(&x.There, before.There)
		e.float(&x.Promised, before.Promised)
		e.text(&x.Reason)
		before = x
	}
}
