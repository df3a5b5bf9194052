package collector

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"cube/collector/families"
)

// source is one source of the kernel: its name in cube_collector_success, its
// families, and what sets them. A failing source's families are cleared, so that
// it hides its own metrics and no one else's.
type source struct {
	name     string
	families []family
	collect  func(now time.Time, p *families.Page) error
	success  *families.Labels
	failing  atomic.Bool // whether the log has it that the source fails
}

// newSources lists the sources, in the order of their names.
func (c *Collector) newSources() []*source {
	sources := []*source{
		{name: "cpu", families: []family{cpuCores, cpuSeconds, cpuUsageRatio, cpuUsageWindow}, collect: c.collectCPU},
		{name: "disk", families: []family{dataDiskAvailable, dataDiskTotal, diskAvailable, diskDeviceError, diskFree, diskInodes,
			diskInodesFree, diskTotal, diskUsed}, collect: c.collectDisks},
		{name: "load", families: []family{load1, load15, load5, procs, procsRunning}, collect: c.collectLoad},
		{name: "memory", families: []family{memoryAvailable, memoryTotal, memoryUsed}, collect: c.collectMemory},
		{name: "pressure", families: []family{pressureFull, pressureFullSeconds, pressureSome, pressureSomeSeconds}, collect: c.collectPressure},
	}
	for _, s := range sources {
		s.success = families.NewLabels(sourceLabels, s.name)
	}
	return sources
}

// read reads the sources onto an empty page.
func (c *Collector) read(sources []*source, p *families.Page) {
	now := c.cfg.Now()
	p.Set(timeSeconds, float64(now.UnixNano())/1e9, nil)
	begin := now
	for _, s := range sources {
		err := s.collect(now, p)
		success := 1.0
		if err != nil {
			p.Clear(s.families)
			success = 0
		}
		end := c.cfg.Now()
		p.Set(collectorSuccess, success, s.success)
		p.Set(collectorDuration, end.Sub(begin).Seconds(), s.success)
		begin = end
		c.logChange(s, err)
	}
	if len(sources) == len(c.sources) {
		c.keepCapacity(now, p)
	}
}

// logChange says that a source began to fail, or that it works again, and not at
// every scrape that it still does.
func (c *Collector) logChange(s *source, err error) {
	switch {
	case err == nil && s.failing.Load():
		if s.failing.CompareAndSwap(true, false) {
			c.cfg.Log.Info("a source of metrics can be read again", "collector", s.name)
		}
	case err != nil && s.failing.CompareAndSwap(false, true):
		c.cfg.Log.Warn("a source of metrics cannot be read; its metrics are left out", "collector", s.name, "err", err)
	}
}

// Sources returns the names of the sources, as cube_collector_success has them:
// what [Collector.Select] takes.
func (c *Collector) Sources() []string {
	var names []string
	for _, s := range c.sources {
		names = append(names, s.name)
	}
	return names
}

// Selection is a Collector that reads some of the sources only. It is used as
// the Collector that it was selected from, and is closed with it.
type Selection struct {
	collector *Collector
	sources   []*source
}

var (
	_ prometheus.Collector             = (*Selection)(nil)
	_ prometheus.TransactionalGatherer = (*Selection)(nil)
)

// Select narrows the collector to the sources named by collect, all where it is
// empty, less those named by exclude. An unknown name is an error, and so are
// both lists at once.
func (c *Collector) Select(collect, exclude []string) (*Selection, error) {
	known := c.Sources()
	for _, name := range slices.Concat(collect, exclude) {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no collector %q: want some of %s", name, strings.Join(known, ", "))
		}
	}
	if len(collect) > 0 && len(exclude) > 0 {
		return nil, fmt.Errorf("collectors are named to be collected and to be excluded: want either")
	}
	s := &Selection{collector: c}
	for _, candidate := range c.sources {
		wanted := len(collect) == 0 || slices.Contains(collect, candidate.name)
		if wanted && !slices.Contains(exclude, candidate.name) {
			s.sources = append(s.sources, candidate)
		}
	}
	return s, nil
}

// Describe implements prometheus.Collector.
func (s *Selection) Describe(descs chan<- *prometheus.Desc) { s.collector.table.Describe(descs) }

// Collect implements prometheus.Collector.
func (s *Selection) Collect(metrics chan<- prometheus.Metric) {
	s.collector.collect(s.sources, metrics)
}

// Gather implements prometheus.TransactionalGatherer, as [Collector.Gather] does.
func (s *Selection) Gather() (families []*dto.MetricFamily, done func(), err error) {
	return s.collector.gather(s.sources)
}
