package scheduler

// How a measured task's use is foreseen: as a blend of its averages and of what
// tasks of its kind use,
//
//	e = Σ w_i·x_i + (1 − Σ w_i)·μ₀      w_i ≥ 0, Σ w_i ≤ 1 − LeastKind
//
// with x its use since the reading before, over half an hour and over two hours,
// and μ₀ that of its kind. How much each tells of what comes depends on the
// load: of a task that jumps about a level the long average tells most, of one
// that wanders the last reading. So the weights are learned from all tasks: what
// one used on average in the Horizon after a reading, y, is compared with what
// its averages were at that reading, by least squares,
//
//	least Σ (y − μ₀ − Σ w_i·(x_i − μ₀))² + λ·Σ (w_i − w⁰_i)²
//
// where λ weighs as much as BlendTasks tasks that speak for the first weights
// w⁰. A task teaches once a horizon, in a few multiplications.
//
// Worked example: a task used 1.0 cores since the last reading, 0.8 over half an
// hour, 0.6 over two hours; its kind uses 0.5. With the first weights (0.45, 0,
// 0.45) it is expected to use 0.45·1.0 + 0.45·0.6 + 0.1·0.5 = 0.77 cores.
const (
	averages = 3
	// blendSweeps is how often each weight is adjusted to the others when
	// something was learned. The next lesson goes on where this one ended.
	blendSweeps = 4
)

// firstWeights are those of w⁰: half the last use and half the long average, a
// tenth taken off for the kind.
func firstWeights() [averages]float64 { return [averages]float64{0.45, 0, 0.45} }

// blend is the weights, and the sums that they follow from.
type blend struct {
	prior   float64 // how many lessons the first weights weigh as much as
	most    float64 // what the weights may add up to
	weights [averages]float64
	square  [averages][averages]float64 // Σ (x_i − μ₀)·(x_j − μ₀), cores²
	with    [averages]float64           // Σ (x_i − μ₀)·(y − μ₀), cores²
	lessons float64
}

func newBlend(p *Parameters) blend {
	return blend{prior: p.BlendTasks, most: 1 - p.LeastKind, weights: firstWeights()}
}

// learn takes in that a task with the averages x, of a kind that uses prior,
// went on to use y.
func (b *blend) learn(x [averages]float64, prior, y float64) {
	for i := range x {
		for j := range x {
			b.square[i][j] += (x[i] - prior) * (x[j] - prior)
		}
		b.with[i] += (x[i] - prior) * (y - prior)
	}
	b.lessons++
	b.solve()
}

// solve brings the weights up to date, by descent along one after the other.
func (b *blend) solve() {
	trace := 0.0
	for i := range b.square {
		trace += b.square[i][i]
	}
	ridge := b.prior * trace / (averages * b.lessons)
	if !(ridge > 0) {
		return // no task has left its kind's use yet
	}
	first := firstWeights()
	for range blendSweeps {
		for i := range b.weights {
			rest, others := b.with[i]+ridge*first[i], 0.0
			for j := range b.weights {
				if j != i {
					rest -= b.square[i][j] * b.weights[j]
					others += b.weights[j]
				}
			}
			b.weights[i] = min(max(0, rest/(b.square[i][i]+ridge)), max(0, b.most-others))
		}
	}
}

// own returns what the weights make of a task's averages alone, and how much of
// its use is its kind's.
func (b *blend) own(x [averages]float64) (cores, kinds float64) {
	sum := 0.0
	for i, w := range b.weights {
		cores += w * x[i]
		sum += w
	}
	if sum <= 0 {
		return x[averages-1], 1
	}
	return cores / sum, 1 - sum
}

// look is what a task's averages were at one reading, kept until it is known
// what came after.
type look struct {
	taken bool
	x     [averages]float64
	prior float64 // cores, of its kind
	cpu   float64 // seconds of CPU at that reading
	clock float64 // worker's clock
}

// teach tells the blend what followed the look that was taken of the task, once
// the horizon has passed, and takes the next.
func (m *meter) teach(b *blend, prior, horizon float64) {
	l := &m.look
	if !Known(m.mean) || !Known(m.cpu) {
		return
	}
	if l.taken && m.clock < l.clock+horizon {
		return
	}
	if l.taken {
		b.learn(l.x, l.prior, (m.cpu-l.cpu)/(m.clock-l.clock))
	}
	*l = look{taken: true, x: m.averages(), prior: prior, cpu: m.cpu, clock: m.clock}
}

// averages are what the weights are of.
func (m *meter) averages() [averages]float64 {
	return [averages]float64{m.last, m.recent.mean, m.lately.mean}
}
