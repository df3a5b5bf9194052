package scheduler

import (
	"math"
	"math/rand/v2"
	"testing"

	"cube/worker/task"
)

// foreseen are the parameters that the manager goes by.
func foreseen() *Parameters {
	p := DefaultParameters()
	return &p
}

// taught is the weights that are learned from tasks whose use goes on as next
// says, a reading every five minutes over twelve hours.
func taught(t *testing.T, next func(use float64, chance *rand.Rand) float64) [averages]float64 {
	t.Helper()
	p := newPredictor(foreseen())
	chance := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		one := placed{kind: kind{cpu: nanocores(1)}, start: 1000, meter: newMeter()}
		use, cpu := 0.5, 0.0
		for clock := 1300.0; clock < 1000+12*3600; clock += 300 {
			use = next(use, chance)
			cpu += 300 * use
			one.measure(&TaskReading{CpuSeconds: cpu, MemoryBytes: Absent(), StartTime: 1000}, clock, &p.Parameters)
			p.learn(&one)
		}
	}
	if p.blend.lessons != 200*5 {
		t.Errorf("%v lessons of 200 tasks in 12 h; want one each in every 2 h after the first", p.blend.lessons)
	}
	return p.blend.weights
}

func TestBlendLearnsWhatTheLoadIsLike(t *testing.T) {
	jumping := taught(t, func(_ float64, chance *rand.Rand) float64 { return chance.Float64() })
	if own := jumping[0] + jumping[1] + jumping[2]; jumping[0] > 0.1 || own > 0.3 {
		t.Errorf("weights %v for use that tells nothing of what comes; want next to none", jumping)
	}
	wandering := taught(t, func(use float64, chance *rand.Rand) float64 {
		return max(0, use+0.1*chance.NormFloat64())
	})
	if wandering[0] < 0.7 {
		t.Errorf("weights %v for use that wanders; want most on the last", wandering)
	}
	steady := 0.0
	levels := taught(t, func(use float64, chance *rand.Rand) float64 {
		if use == 0.5 { // a task begins: its level
			steady = chance.Float64()
		}
		return max(0, steady+0.3*chance.NormFloat64())
	})
	if levels[2] < 0.5 || levels[0] > levels[2]/3 {
		t.Errorf("weights %v for use around levels; want most on the long average", levels)
	}
}

// Whatever is learned, nothing is taken more than once or less than not at all.
func TestBlendWeightsStayWithinBounds(t *testing.T) {
	chance := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		b := newBlend(foreseen())
		for range 1 + chance.IntN(60) {
			x := [averages]float64{chance.ExpFloat64(), chance.ExpFloat64(), chance.ExpFloat64()}
			b.learn(x, chance.Float64(), 5*chance.NormFloat64())
			sum := 0.0
			for _, w := range b.weights {
				if !(w >= 0) {
					t.Fatalf("weights %v", b.weights)
				}
				sum += w
			}
			if !(sum <= b.most+1e-12) {
				t.Fatalf("weights %v add up to %v", b.weights, sum)
			}
			own, kinds := b.own(x)
			if low, high := min(x[0], x[1], x[2]), max(x[0], x[1], x[2]); !(own >= low-1e-12 && own <= high+1e-12 && kinds >= 0 && kinds <= 1) {
				t.Fatalf("of %v the weights %v make %v, and %v is of the kind", x, b.weights, own, kinds)
			}
		}
	}
}

// The worked example of the comment.
func TestBlendWorkedExample(t *testing.T) {
	b := newBlend(foreseen())
	own, kinds := b.own([averages]float64{1.0, 0.8, 0.6})
	if got := (1-kinds)*own + kinds*0.5; math.Abs(got-0.77) > 1e-12 {
		t.Errorf("got %v cores, want 0.77", got)
	}
}

// A counter that began anew says nothing of what followed the look before.
func TestRestartTeachesNothingAcross(t *testing.T) {
	p := newPredictor(foreseen())
	one := placed{kind: kind{cpu: nanocores(1)}, start: 1000, meter: newMeter()}
	read := func(start, clock, cpu float64) {
		one.measure(&TaskReading{CpuSeconds: cpu, MemoryBytes: float64(task.Bytes(1)), StartTime: start}, clock, &p.Parameters)
		p.learn(&one)
	}
	read(1000, 1600, 500)
	read(1000+p.Horizon, 1600+p.Horizon, 30)
	if p.blend.lessons != 0 {
		t.Errorf("%v lessons across a restart; want none", p.blend.lessons)
	}
	read(1000+p.Horizon, 1600+2*p.Horizon, 3000)
	if p.blend.lessons != 1 {
		t.Errorf("%v lessons a horizon after a restart; want 1", p.blend.lessons)
	}
}
