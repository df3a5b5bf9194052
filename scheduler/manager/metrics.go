package manager

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cube/scheduler"
	"cube/worker/task"
	"cube/worker/wire"
)

// metrics are what the manager counts as it goes; what it is, is read from it
// when it is collected.
type metrics struct {
	placements *prometheus.CounterVec // policy, result
	deciding   prometheus.Histogram
	dispatches *prometheus.CounterVec // result
	pending    prometheus.Histogram
	commits    *prometheus.CounterVec // result
	committing prometheus.Histogram
}

// nativeFactor is the growth of a native histogram's buckets: 8 to a factor of
// two.
const nativeFactor = 1.1

func newHistogram(name, help string, classic []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: classic,
		NativeHistogramBucketFactor:     nativeFactor,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	})
}

func newMetrics() *metrics {
	m := &metrics{
		placements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cube_placements_total",
			Help: "Decisions about tasks, by policy and by result: placed, or refused where no node fitted.",
		}, []string{"policy", "result"}),
		deciding: newHistogram("cube_placement_duration_seconds",
			"How long a decision about one task took.",
			[]float64{1e-5, 1e-4, 1e-3, 1e-2, 0.1}),
		dispatches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cube_dispatches_total",
			Help: "Allocations handed to workers, by result: accepted, refused or unreachable.",
		}, []string{"result"}),
		pending: newHistogram("cube_pending_seconds",
			"How long tasks were pending until they were placed.",
			[]float64{0.001, 0.01, 0.1, 1, 10, 60, 600}),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cube_store_commits_total",
			Help: "Transactions of the store, by result: written or failed.",
		}, []string{"result"}),
		committing: newHistogram("cube_store_commit_duration_seconds",
			"How long a transaction of the store took, until it was on disk.",
			[]float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1}),
	}
	// Every result is there from the start, so that its rate is.
	for _, result := range []string{"accepted", "refused", "unreachable"} {
		m.dispatches.WithLabelValues(result)
	}
	for _, result := range []string{"written", "failed"} {
		m.commits.WithLabelValues(result)
	}
	return m
}

func (m *metrics) decided(o *scheduler.Outcome, took time.Duration) {
	result := "placed"
	if o.Node() == "" {
		result = "refused"
	}
	m.placements.WithLabelValues(o.Policy(), result).Inc()
	m.deciding.Observe(took.Seconds())
}

func (m *metrics) committed(took time.Duration, err error) {
	if err != nil {
		m.commits.WithLabelValues("failed").Inc()
		return
	}
	m.commits.WithLabelValues("written").Inc()
	m.committing.Observe(took.Seconds())
}

func (m *metrics) parts() []prometheus.Collector {
	return []prometheus.Collector{m.placements, m.deciding, m.dispatches, m.pending, m.commits, m.committing}
}

var (
	tasksDesc = prometheus.NewDesc("cube_manager_tasks",
		"Tasks the manager knows, by state.", []string{"state"}, nil)
	nodesDesc = prometheus.NewDesc("cube_manager_nodes",
		"Nodes of the fleet, by state.", []string{"state"}, nil)
	ageDesc = prometheus.NewDesc("cube_manager_reading_age_seconds",
		"How old the last reading of a node is.", []string{"node"}, nil)
	foreignDesc = prometheus.NewDesc("cube_manager_foreign_tasks",
		"Running tasks on a node's worker that this manager did not start.", []string{"node"}, nil)
	queueDesc = prometheus.NewDesc("cube_manager_dispatch_queue_length",
		"Operations that wait for their turn with all workers.", nil, nil)
)

// collector collects a manager's metrics, its scraper's included.
type collector struct{ m *Manager }

// Collector returns the manager's metrics, those of its scraper included.
func (m *Manager) Collector() prometheus.Collector { return collector{m} }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{tasksDesc, nodesDesc, ageDesc, foreignDesc, queueDesc} {
		ch <- desc
	}
	for _, part := range c.m.metrics.parts() {
		part.Describe(ch)
	}
	c.m.scraper.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, metric := range c.m.gauges() {
		ch <- metric
	}
	for _, part := range c.m.metrics.parts() {
		part.Collect(ch)
	}
	c.m.scraper.Collect(ch)
}

// gauges reads what the manager is now.
func (m *Manager) gauges() []prometheus.Metric {
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
		return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	counts, nodes := m.measured()
	metrics := make([]prometheus.Metric, 0, 2*len(nodes)+16)
	for _, state := range task.States {
		metrics = append(metrics, gauge(tasksDesc, float64(counts[state]), state.String()))
	}
	queued := 0
	states := map[wire.NodeState]int{}
	for i := range nodes {
		n := &nodes[i]
		states[n.state]++
		queued += n.queued
		metrics = append(metrics, gauge(foreignDesc, float64(n.foreign), n.name))
		if n.read {
			metrics = append(metrics, gauge(ageDesc, n.age.Seconds(), n.name))
		}
	}
	for _, state := range NodeStates {
		metrics = append(metrics, gauge(nodesDesc, float64(states[state]), string(state)))
	}
	return append(metrics, gauge(queueDesc, float64(queued)))
}

// measuredNode is what of a node becomes metrics.
type measuredNode struct {
	name            string
	state           wire.NodeState
	read            bool
	age             scheduler.Instant // of the reading
	foreign, queued int
}

// measured copies what becomes metrics, which takes much less time under the
// lock than making them.
func (m *Manager) measured() ([len(task.States)]int, []measuredNode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	nodes := make([]measuredNode, 0, len(m.nodes))
	for name, n := range m.nodes {
		nodes = append(nodes, measuredNode{
			name: name, state: n.state(now, &m.cfg.Scheduler), read: n.read, age: now - n.readAt,
			foreign: n.foreign, queued: len(n.queue),
		})
	}
	return m.counts, nodes
}
