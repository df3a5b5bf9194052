package scheduler

import "math"

// priorTasks is how many measured tasks a prior weighs as much as.
const priorTasks = 5

// kindsKept bounds how many requests are told apart: with more of them, each has
// too few tasks to learn from, and those of all tasks serve.
const kindsKept = 4096

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

// drawn returns the means, drawn towards those of prior as if [priorTasks] more
// tasks had them.
func (s *shares) drawn(prior shares) shares {
	n := s.tasks + priorTasks
	return shares{
		tasks:  1,
		mean:   (s.mean + priorTasks*prior.mean) / n,
		square: (s.square + priorTasks*prior.square) / n,
		within: (s.within + priorTasks*prior.within) / n,
	}
}

// estimate is what a task's CPU use is expected to be: mean in cores and
// variance in cores².
type estimate struct {
	mean, variance float64
}

// predictor learns from measured tasks how much of its request a new one will
// use, by CPU request: the kind of a task.
type predictor struct {
	kinds map[int64]*shares // by nanocores asked for; the first kindsKept that were measured
	all   shares
}

// shares returns what a task with the request cpu is expected to use of it: the
// mean over measured tasks of its kind, drawn towards that over all tasks,
// which is drawn towards all of the request and nothing but it.
func (p *predictor) shares(cpu int64) shares {
	prior := p.all.drawn(shares{mean: 1, square: 1})
	if k := p.kinds[cpu]; k != nil {
		return k.drawn(prior)
	}
	return prior
}

// predict returns what a task with the request cpu, in nanocores, is expected to
// use while nothing is measured of it: mean and variance between tasks and
// within them. Before any task was measured that is the request.
func (p *predictor) predict(cpu int64) estimate {
	s, c := p.shares(cpu), cores(cpu)
	return estimate{
		mean:     s.mean * c,
		variance: (max(0, s.square-s.mean*s.mean) + s.within) * c * c,
	}
}

// learn replaces what was known of one task's use by what is.
func (p *predictor) learn(cpu int64, was, is shares) {
	if cpu <= 0 || was == is {
		return
	}
	k := p.kinds[cpu]
	if k == nil && len(p.kinds) < kindsKept {
		k = &shares{}
		p.kinds[cpu] = k
	}
	if k != nil {
		k.add(was, -1)
		k.add(is, 1)
	}
	p.all.add(was, -1)
	p.all.add(is, 1)
}

// Constants of the estimate of a measured task. Halved or doubled they move the
// replays' figures little: see the measured policy.
const (
	// varianceTau is over how many seconds the square of a task's use is
	// averaged: the variance may change over a day.
	varianceTau = 2 * 3600
	// varianceSpan is after how many seconds a task's own variance has one
	// more of the weights of which its kind's has varianceWeight.
	varianceSpan   = 300
	varianceWeight = 3
	// changed is how likely a measured task is taken to change its ways and
	// use what one of its kind does.
	changed = 0.1
	// settling is after how many seconds a task's own figures count as much
	// as its kind's: starting up is not what it will go on doing.
	settling = 30
)

// estimate returns what a task with the request cpu is expected to use by its
// own readings and by its kind's: its use is the mean of the last and of its
// whole life, but for a chance that it becomes another one of its kind.
func (m *meter) estimate(cpu int64, p *predictor) estimate {
	prior := p.predict(cpu)
	if !Known(m.mean) {
		return prior
	}
	own := (m.last + m.mean) / 2
	c := cores(cpu)
	n := m.life / varianceSpan
	within := (n*m.variance() + varianceWeight*p.shares(cpu).within*c*c) / (n + varianceWeight)
	a := max(changed, settling/(settling+m.life))
	apart := own - prior.mean
	return estimate{
		mean:     (1-a)*own + a*prior.mean,
		variance: (1-a)*within + a*prior.variance + a*(1-a)*apart*apart,
	}
}

// variance is the task's own, around its expected use, in cores².
func (m *meter) variance() float64 {
	own := (m.last + m.mean) / 2
	return max(0, m.square-own*own)
}

// shares returns what is known of the task's use of its request.
func (m *meter) shares(cpu int64) shares {
	if !Known(m.mean) || cpu <= 0 {
		return shares{}
	}
	c := cores(cpu)
	return shares{tasks: 1, mean: m.mean / c, square: m.mean * m.mean / (c * c), within: m.variance() / (c * c)}
}

// decay returns how much of a weight is left after so many seconds.
func decay(seconds, tau float64) float64 { return math.Exp(-seconds / tau) }
