package policy

import (
	"math"
	"testing"
)

func TestPowerIsThatOfMath(t *testing.T) {
	for _, base := range []float64{2, 3, 10, 1000, 1e5, 1 << 20} {
		p := powerOf(base)
		for i := range 6000 {
			share := float64(i) / 1000
			want := math.Pow(base, share)
			if got := float64(p.of(share)); math.Abs(got/want-1) > 6.1e-8 {
				t.Fatalf("%v to %v is %v, want %v to the last bit of a float32", base, share, got, want)
			}
		}
	}
	p := powerOf(10)
	for share, want := range map[float64]float32{-1: 1, 0: 1, 1: 10, 6: 1e6, 7: 1e6, math.Inf(1): 1e6} {
		if got := p.of(share); got != want {
			t.Errorf("10 to %v is %v, want %v", share, got, want)
		}
	}
	if got := p.of(math.NaN()); got != 1e6 {
		t.Errorf("10 to what is no number is %v, want the most", got)
	}
}

func BenchmarkPower(b *testing.B) {
	b.Run("table", func(b *testing.B) {
		p, sum := powerOf(1000), float32(0)
		for i := range b.N {
			sum += p.of(float64(i%1000) / 1000)
		}
		sink = sum
	})
	b.Run("math.Exp", func(b *testing.B) {
		log, sum := math.Log(1000), float32(0)
		for i := range b.N {
			sum += float32(math.Exp(log * float64(i%1000) / 1000))
		}
		sink = sum
	})
}

var sink float32
