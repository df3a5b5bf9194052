package scheduler

import "math"

// kindsKept bounds how many requests are told apart: with more of them, each has
// too few tasks to learn from, and those of all tasks serve.
const kindsKept = 4096

// namesKept bounds how many names are; the one measured first the longest ago
// makes room for the next.
const namesKept = 65536

// shares are what is known of a task's use, or summed up over tasks, in shares
// of the CPU request.
type shares struct {
	tasks  float64
	mean   float64 // mean use
	square float64 // square of mean use
	within float64 // variance of the task's use around its mean
}

func (s *shares) add(o shares, sign float64) {
	s.tasks += sign * o.tasks
	s.mean += sign * o.mean
	s.square += sign * o.square
	s.within += sign * o.within
}

// drawn returns the means, drawn towards those of prior as if so many more
// tasks had them.
func (s *shares) drawn(prior shares, tasks float64) shares {
	n := s.tasks + tasks
	return shares{
		tasks:  1,
		mean:   (s.mean + tasks*prior.mean) / n,
		square: (s.square + tasks*prior.square) / n,
		within: (s.within + tasks*prior.within) / n,
	}
}

// estimate is what a task's CPU use is expected to be: mean in cores and
// variance in cores².
type estimate struct {
	mean, variance float64
}

// kind is what a task is foreseen by before it is measured.
type kind struct {
	cpu  int64 // nanocores asked for
	name string
}

// predictor learns from measured tasks how much of its request a new one will
// use, by request and by name.
type predictor struct {
	Parameters
	byCpu  map[int64]*shares // the first kindsKept that were measured
	byName map[string]*shares
	names  []string // of byName, in a ring
	oldest int      // in names
	all    shares
	blend  blend
}

func newPredictor(p *Parameters) predictor {
	return predictor{
		Parameters: *p, byCpu: make(map[int64]*shares), byName: make(map[string]*shares), blend: newBlend(p),
	}
}

// shares returns what a task of the kind is expected to use of its request: the
// mean over measured tasks of its name, drawn towards that over those that ask
// for the same, which is drawn towards that over all tasks, which is drawn
// towards all of the request and nothing but it.
func (p *predictor) shares(k kind) shares {
	is := p.all.drawn(shares{mean: 1, square: 1}, p.PriorTasks)
	if s := p.byCpu[k.cpu]; s != nil {
		is = s.drawn(is, p.PriorTasks)
	}
	if s := p.byName[k.name]; s != nil {
		is = s.drawn(is, p.NamedTasks)
	}
	return is
}

// predict returns what a task of the kind is expected to use while nothing is
// measured of it: mean and variance between tasks and within them. Before any
// task was measured that is the request.
func (p *predictor) predict(k kind) estimate {
	s, c := p.shares(k), cores(k.cpu)
	return estimate{
		mean:     s.mean * c,
		variance: (max(0, s.square-s.mean*s.mean) + s.within) * c * c,
	}
}

// learn replaces what was known of the task's use by what is.
func (p *predictor) learn(t *placed) {
	t.meter.teach(&p.blend, p.predict(t.kind).mean, p.Horizon)
	is := t.meter.shares(t.kind.cpu)
	if t.kind.cpu <= 0 || is == t.taught {
		return
	}
	if t.named == nil && t.kind.name != "" {
		t.named = p.named(t.kind.name)
	}
	if p.byCpu[t.kind.cpu] == nil && len(p.byCpu) < kindsKept {
		p.byCpu[t.kind.cpu] = &shares{}
	}
	for _, sum := range [...]*shares{&p.all, p.byCpu[t.kind.cpu], t.named} {
		if sum != nil {
			sum.add(t.taught, -1)
			sum.add(is, 1)
		}
	}
	t.taught = is
}

// named returns the sums of a name, new ones if there are none. Tasks keep to
// the sums they got, so that what they teach is taken back from where it went.
func (p *predictor) named(name string) *shares {
	if s := p.byName[name]; s != nil {
		return s
	}
	if len(p.names) < namesKept {
		p.names = append(p.names, name)
	} else {
		delete(p.byName, p.names[p.oldest])
		p.names[p.oldest] = name
		p.oldest = (p.oldest + 1) % namesKept
	}
	s := &shares{}
	p.byName[name] = s
	return s
}

// estimate returns what a task of the kind is expected to use by its own
// readings and by its kind's: its use is a blend of its last use and its
// averages, by weights that are learned (blend.go), but for a chance that it
// becomes another one of its kind.
func (m *meter) estimate(k kind, p *predictor) estimate {
	prior := p.predict(k)
	if !Known(m.mean) {
		return prior
	}
	own, kinds := p.blend.own(m.averages())
	c := cores(k.cpu)
	within := m.variance(own)
	within += (p.shares(k).within*c*c - within) * p.VarianceSpan / (p.VarianceSpan + m.life)
	young := p.Settling / (p.Settling + m.life)
	a, b := max(kinds, young), max(p.Changed, young)
	apart := own - prior.mean
	return estimate{
		mean:     (1-a)*own + a*prior.mean,
		variance: (1-b)*within + b*prior.variance + b*(1-b)*apart*apart,
	}
}

// variance is the task's own, around what it is expected to use, in cores².
func (m *meter) variance(own float64) float64 { return max(0, m.square-own*own) }

// shares returns what is known of the task's use of its request.
func (m *meter) shares(cpu int64) shares {
	if !Known(m.mean) || cpu <= 0 {
		return shares{}
	}
	c := cores(cpu)
	return shares{tasks: 1, mean: m.mean / c, square: m.mean * m.mean / (c * c), within: m.variance((m.last+m.lately.mean)/2) / (c * c)}
}

// decay returns how much of a weight is left after so many seconds.
func decay(seconds, tau float64) float64 { return math.Exp(-seconds / tau) }
