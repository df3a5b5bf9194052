package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"cube/collector/families"
)

var _ families.Source = (*Collector)(nil)

// Gather implements prometheus.TransactionalGatherer: every source read anew, as
// the very families that a registry would gather from Collect, at a fraction of
// its cost. They are the caller's until it calls done. Serve them with
// promhttp.HandlerForTransactional, other registries' beside them by
// prometheus.NewMultiTRegistry.
func (c *Collector) Gather() (gathered []*dto.MetricFamily, done func(), err error) {
	return c.gather(c.sources)
}

func (c *Collector) gather(sources []*source) ([]*dto.MetricFamily, func(), error) {
	gathered, done := c.table.Gather(func(p *families.Page) { c.read(sources, p) })
	return gathered, done, nil
}

func (c *Collector) collect(sources []*source, out chan<- prometheus.Metric) {
	c.table.Collect(func(p *families.Page) { c.read(sources, p) }, out)
}
