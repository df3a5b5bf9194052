package cgroup_test

import (
	"testing"

	"cube/collector/cgroup"
)

// BenchmarkGroup is what one task costs a scrape on this machine.
func BenchmarkGroup(b *testing.B) {
	r, err := cgroup.New("/proc", "/sys")
	if err != nil {
		b.Skip(err)
	}
	g, err := r.OfPID(0)
	if err != nil {
		b.Fatal(err)
	}
	m, err := g.Meter()
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	for name, read := range map[string]func() (float64, error){
		"cpu": g.CpuSeconds, "memory": g.MemoryBytes,
		"meter": func() (float64, error) { r, err := m.Read(); return r.CpuSeconds, err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
