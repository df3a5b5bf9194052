package families

import (
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The kinds of metrics there are.
const (
	Gauge   = prometheus.GaugeValue
	Counter = prometheus.CounterValue
)

// Metric is what a page says of a family.
type Metric struct {
	Name, Help string
	Kind       prometheus.ValueType // Gauge or Counter
	Labels     []string             // their names, in alphabetical order
}

// Table is a page's metrics; a metric's place in it is its number. It is not
// changed once it is made, and any number of goroutines may use it.
type Table struct {
	metrics []Metric
	descs   []*prometheus.Desc
	pool    sync.Pool // of *gathered
}

// NewTable makes a table of metrics that are in the order of their names, each
// once. It panics where they are not, or where a label is out of order: that is
// a fault of the program, which its first test finds.
func NewTable(metrics []Metric) *Table {
	t := &Table{metrics: metrics}
	for i, m := range metrics {
		if i > 0 && metrics[i-1].Name >= m.Name {
			panic(fmt.Sprintf("families: %s stands behind %s", m.Name, metrics[i-1].Name))
		}
		if !slices.IsSorted(m.Labels) {
			panic(fmt.Sprintf("families: the labels %v of %s are not in order", m.Labels, m.Name))
		}
		t.descs = append(t.descs, prometheus.NewDesc(m.Name, m.Help, m.Labels, nil))
	}
	return t
}

// Describe sends every metric's descriptor, for a prometheus.Collector.
func (t *Table) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range t.descs {
		descs <- desc
	}
}

// Collect fills a page and sends it as constant metrics, for a
// prometheus.Collector.
func (t *Table) Collect(fill func(*Page), out chan<- prometheus.Metric) {
	g := t.get()
	defer g.release()
	fill(&g.Page)
	for f, lines := range g.series {
		for _, line := range lines {
			var values []string
			if line.labels != nil {
				values = line.labels.values
			}
			out <- prometheus.MustNewConstMetric(t.descs[f], t.metrics[f].Kind, line.value, values...)
		}
	}
}

// Gather fills a page and returns it as metric families in order, for a
// prometheus.TransactionalGatherer. They are the caller's until it calls done.
func (t *Table) Gather(fill func(*Page)) (gathered []*dto.MetricFamily, done func()) {
	g := t.get()
	fill(&g.Page)
	return g.families(), g.release
}

// get takes an empty page from the pool.
func (t *Table) get() *gathered {
	g, pooled := t.pool.Get().(*gathered)
	if !pooled {
		g = t.newGathered()
	}
	g.Reset()
	return g
}

// NewPage makes an empty page, for who wants to fill one himself.
func (t *Table) NewPage() *Page { return &Page{series: make([][]series, len(t.metrics))} }
