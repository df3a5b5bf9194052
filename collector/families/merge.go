package families

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Merge gathers from all parts as from one. Each part's families are in order,
// as a TransactionalGatherer promises, and no two parts have one of the same
// name: a registry of all of them would refuse that, and the tests do. They are
// gathered one after the other, and merged without sorting.
func Merge(parts ...prometheus.TransactionalGatherer) prometheus.TransactionalGatherer {
	if len(parts) == 1 {
		return parts[0]
	}
	return &merged{parts: parts}
}

type merged struct {
	parts []prometheus.TransactionalGatherer
	pool  sync.Pool // of *merging
}

// merging is the memory of one gathering.
type merging struct {
	left    [][]*dto.MetricFamily // of each part, what is still to be merged
	dones   []func()
	out     []*dto.MetricFamily
	release func() // tells the parts, and gives it back to the pool
}

func (m *merged) newMerging() *merging {
	g := &merging{}
	g.release = func() {
		for _, done := range g.dones {
			done()
		}
		m.pool.Put(g)
	}
	return g
}

// Gather implements prometheus.TransactionalGatherer. A part that fails keeps
// none of the others away.
func (m *merged) Gather() ([]*dto.MetricFamily, func(), error) {
	g, pooled := m.pool.Get().(*merging)
	if !pooled {
		g = m.newMerging()
	}
	g.left, g.dones, g.out = g.left[:0], g.dones[:0], g.out[:0]
	var errs []error
	for _, part := range m.parts {
		families, done, err := part.Gather()
		g.left, g.dones = append(g.left, families), append(g.dones, done)
		if err != nil {
			errs = append(errs, err)
		}
	}
	for {
		first := -1
		for i, left := range g.left {
			if len(left) > 0 && (first < 0 || left[0].GetName() < g.left[first][0].GetName()) {
				first = i
			}
		}
		if first < 0 {
			return g.out, g.release, errors.Join(errs...)
		}
		g.out, g.left[first] = append(g.out, g.left[first][0]), g.left[first][1:]
	}
}

// Constant gathers from what never changes, once: who the program is, and the
// like.
func Constant(sources ...prometheus.Collector) (prometheus.TransactionalGatherer, error) {
	registry := prometheus.NewPedanticRegistry()
	for _, source := range sources {
		if err := registry.Register(source); err != nil {
			return nil, err
		}
	}
	families, err := registry.Gather()
	return constant(families), err
}

type constant []*dto.MetricFamily

// Gather implements prometheus.TransactionalGatherer.
func (c constant) Gather() ([]*dto.MetricFamily, func(), error) { return c, func() {}, nil }
