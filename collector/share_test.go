package collector

import (
	"errors"
	"testing"
	"time"
)

// A share's CPU usage and memory are what is used of it, whatever the machine does.
func TestShare(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var seconds, memory float64
	var failure error
	share := &Share{Cores: 2, Memory: 1 << 30, Use: func() (float64, float64, error) { return seconds, memory, failure }}
	s := newScope(Config{Share: share, Window: DefaultWindow, MinWindow: DefaultMinWindow})
	b, err := s.bounds(now)
	if err != nil || !b.narrowsCPU(1) || b.cores != 2 {
		t.Fatalf("the bounds are %+v, %v", b, err)
	}
	if _, known, err := s.usage(now, b, 2); known || err != nil {
		t.Errorf("at the first look: known %v, %v", known, err)
	}
	seconds = 3
	if usage, known, err := s.usage(now.Add(2*time.Second), b, 2); !known || err != nil || usage.ratio < 0.749 || usage.ratio > 0.751 {
		t.Errorf("3 s of 2 cores in 2 s: %+v, %v, %v; want 0.75", usage, known, err)
	}
	machine := memoryReading{total: 4 << 30, available: 3 << 30}
	memory = 256 << 20
	if r, err := b.narrowMemory(machine); err != nil || r.total != 1<<30 || r.available != 768<<20 {
		t.Errorf("256 MiB of 1 GiB: %+v, %v", r, err)
	}
	memory = 2 << 30
	if r, err := b.narrowMemory(machine); err != nil || r.available != 0 {
		t.Errorf("2 GiB of 1 GiB: %+v, %v", r, err)
	}
	memory, machine.available = 0, 100<<20
	if r, err := b.narrowMemory(machine); err != nil || r.available != 100<<20 {
		t.Errorf("on a machine that has 100 MiB left: %+v, %v", r, err)
	}
	failure = errors.New("cannot be read")
	if _, err := b.narrowMemory(machine); !errors.Is(err, failure) {
		t.Errorf("the error is %v", err)
	}
}
