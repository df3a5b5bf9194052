package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

var _ prometheus.TransactionalGatherer = (*Collector)(nil)

// gathered is a page as the set of metric families that promhttp encodes. A
// registry makes one anew for each scrape, checks and sorts it; this one is kept
// in a pool, in order from the start, and filled in place.
type gathered struct {
	page
	families [familyCount]dto.MetricFamily
	cells    [familyCount][]*cell
	filled   []*dto.MetricFamily
	release  func() // gives it back to the pool
}

// cell is the memory of one series.
type cell struct {
	metric  dto.Metric
	value   float64
	gauge   dto.Gauge
	counter dto.Counter
}

func newGathered(release func(*gathered)) *gathered {
	g := &gathered{}
	for f := range metrics {
		m, kind := &metrics[f], dto.MetricType_GAUGE
		if m.kind == counter {
			kind = dto.MetricType_COUNTER
		}
		g.families[f].Name, g.families[f].Help, g.families[f].Type = &m.name, &m.help, &kind
	}
	g.release = func() { release(g) }
	return g
}

// fill turns the page's lines into families.
func (g *gathered) fill() []*dto.MetricFamily {
	g.filled = g.filled[:0]
	for f := range g.page.series {
		lines := g.page.series[f]
		if len(lines) == 0 {
			continue
		}
		for len(g.cells[f]) < len(lines) {
			g.cells[f] = append(g.cells[f], newCell(metrics[f].kind))
		}
		family := &g.families[f]
		family.Metric = family.Metric[:0]
		for i, line := range lines {
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

func newCell(kind prometheus.ValueType) *cell {
	c := &cell{}
	if kind == counter {
		c.counter.Value, c.metric.Counter = &c.value, &c.counter
	} else {
		c.gauge.Value, c.metric.Gauge = &c.value, &c.gauge
	}
	return c
}

// Gather implements prometheus.TransactionalGatherer: every source read anew, as
// the very families that a registry would gather from Collect, at a fraction of
// its cost. They are the caller's until it calls done. Serve them with
// promhttp.HandlerForTransactional, other registries' beside them by
// prometheus.NewMultiTRegistry.
func (c *Collector) Gather() (families []*dto.MetricFamily, done func(), err error) {
	return c.gather(c.sources)
}

func (c *Collector) gather(sources []*source) ([]*dto.MetricFamily, func(), error) {
	g, pooled := c.pool.Get().(*gathered)
	if !pooled {
		g = newGathered(func(g *gathered) { c.pool.Put(g) })
	}
	c.read(sources, &g.page)
	return g.fill(), g.release, nil
}
