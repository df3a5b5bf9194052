package scheduler_test

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkMarshal writes decisions out in the form that is stored.
func BenchmarkMarshal(b *testing.B) {
	for _, spec := range []string{"epvm", "measured"} {
		b.Run(spec, func(b *testing.B) {
			s := fleet(b, spec, 1000, 0)
			random := rand.New(rand.NewPCG(3, 4))
			made := s.Decide(at(6), mixed(0, random), 1)
			made.Time = made.Time.Add(1)
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				stored, err := made.MarshalBinary()
				if err != nil {
					b.Fatal(err)
				}
				size = len(stored)
			}
			b.ReportMetric(float64(size), "B/record")
		})
	}
}
