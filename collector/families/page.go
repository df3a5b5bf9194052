package families

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Labels are the label values of one series, in both forms that are asked for.
type Labels struct {
	values []string
	pairs  []*dto.LabelPair
}

// Values are the label values, which are not to be changed.
func (l *Labels) Values() []string { return l.values }

// NewLabels makes the label values of a series from the names that its metric
// has and their values, in the same order. They may be used again and again, also
// for other families with the same names. It panics where there are more of one
// than of the other.
func NewLabels(names []string, values ...string) *Labels {
	if len(names) != len(values) {
		panic(fmt.Sprintf("families: %d values for the labels %v", len(values), names))
	}
	l := &Labels{values: values}
	for i := range names {
		l.pairs = append(l.pairs, &dto.LabelPair{Name: &names[i], Value: &values[i]})
	}
	return l
}

// series is one line of the page.
type series struct {
	value  float64
	labels *Labels // nil where the family has none
}

// Page is the outcome of one reading: each family's series. One goroutine fills
// it.
type Page struct{ series [][]series }

// Set adds a line to family f. A family's lines are set in the order of their
// label values. What cannot be read is not set, and so absent.
func (p *Page) Set(f int, value float64, l *Labels) {
	p.series[f] = append(p.series[f], series{value, l})
}

// Value returns the first line of family f; ok is false where it has none.
func (p *Page) Value(f int) (value float64, ok bool) {
	if len(p.series[f]) == 0 {
		return 0, false
	}
	return p.series[f][0].value, true
}

// Clear takes the families' lines away.
func (p *Page) Clear(families []int) {
	for _, f := range families {
		p.series[f] = p.series[f][:0]
	}
}

// Reset empties the page and keeps its memory.
func (p *Page) Reset() {
	for f := range p.series {
		p.series[f] = p.series[f][:0]
	}
}

// gathered is a page with the memory of its metric families.
type gathered struct {
	Page
	all     []dto.MetricFamily
	cells   [][]*cell
	filled  []*dto.MetricFamily
	release func() // gives it back to the pool
}

// cell is the memory of one series.
type cell struct {
	metric  dto.Metric
	value   float64
	gauge   dto.Gauge
	counter dto.Counter
}

func (t *Table) newGathered() *gathered {
	g := &gathered{
		Page: *t.NewPage(),
		all:  make([]dto.MetricFamily, len(t.metrics)), cells: make([][]*cell, len(t.metrics)),
	}
	for f := range t.metrics {
		m, kind := &t.metrics[f], dto.MetricType_GAUGE
		if m.Kind == Counter {
			kind = dto.MetricType_COUNTER
		}
		g.all[f].Name, g.all[f].Help, g.all[f].Type = &m.Name, &m.Help, &kind
	}
	g.release = func() { t.pool.Put(g) }
	return g
}

// families turns the page's lines into metric families.
func (g *gathered) families() []*dto.MetricFamily {
	g.filled = g.filled[:0]
	for f, lines := range g.series {
		if len(lines) == 0 {
			continue
		}
		family := &g.all[f]
		family.Metric = family.Metric[:0]
		for i, line := range lines {
			if i == len(g.cells[f]) {
				g.cells[f] = append(g.cells[f], newCell(family.GetType()))
			}
			c := g.cells[f][i]
			c.value, c.metric.Label = line.value, nil
			if line.labels != nil {
				c.metric.Label = line.labels.pairs
			}
			family.Metric = append(family.Metric, &c.metric)
		}
		g.filled = append(g.filled, family)
	}
	return g.filled
}

func newCell(kind dto.MetricType) *cell {
	c := &cell{}
	if kind == dto.MetricType_COUNTER {
		c.counter.Value, c.metric.Counter = &c.value, &c.counter
	} else {
		c.gauge.Value, c.metric.Gauge = &c.value, &c.gauge
	}
	return c
}

// Source is what can be asked in both ways: by a registry, and for its families.
type Source interface {
	prometheus.Collector
	prometheus.TransactionalGatherer
}
