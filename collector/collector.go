package collector

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

// Collector measures the machine anew at each call. It implements
// prometheus.Collector. All methods may be called at the same time.
type Collector struct {
	cfg          Config
	proc         procfs.FS
	usage        *usage
	disks        *statfsCaller
	sources      []source
	saidPressure sync.Once
}

// source is one source of the kernel: its name in cube_collector_success, and
// what collects it.
type source struct {
	name    string
	collect func(emitter) error
}

// emitter takes a metric's value. What a source emits before it fails is thrown
// away.
type emitter func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string)

var (
	successDesc = prometheus.NewDesc("cube_collector_success",
		"1 where the source could be read, 0 where it could not and its metrics are missing.", []string{"collector"}, nil)
	durationDesc = prometheus.NewDesc("cube_collector_duration_seconds",
		"Seconds that reading the source took.", []string{"collector"}, nil)
	timeDesc = prometheus.NewDesc("cube_time_seconds",
		"The machine's clock at the reading, in Unix seconds.", nil, nil)
)

// New makes a collector. The error says what of the configuration cannot be, or
// that there is no proc file system at ProcPath.
func New(cfg Config) (*Collector, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	proc, err := procfs.NewFS(cfg.ProcPath)
	if err != nil {
		return nil, fmt.Errorf("the proc file system at %s: %w", cfg.ProcPath, err)
	}
	c := &Collector{
		cfg: cfg, proc: proc,
		usage: &usage{window: cfg.Window, minWindow: cfg.MinWindow},
		disks: newStatfsCaller(cfg.Statfs),
	}
	c.sources = []source{
		{"cpu", c.collectCPU},
		{"memory", c.collectMemory},
		{"load", c.collectLoad},
		{"pressure", c.collectPressure},
		{"disk", c.collectDisks},
	}
	return c, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		cpuSecondsDesc, cpuUsageDesc, cpuWindowDesc, cpuCoresDesc,
		memoryTotalDesc, memoryAvailableDesc, memoryUsedDesc,
		load1Desc, load5Desc, load15Desc, procsRunningDesc, procsDesc,
		pressureSomeDesc, pressureFullDesc, pressureSomeSecondsDesc, pressureFullSecondsDesc,
		diskTotalDesc, diskAvailableDesc, diskFreeDesc, diskUsedDesc, diskInodesDesc, diskInodesFreeDesc, diskErrorDesc,
		dataTotalDesc, dataAvailableDesc,
		timeDesc, successDesc, durationDesc,
	} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector. Every source is read anew.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	now := c.cfg.Now()
	metrics <- prometheus.MustNewConstMetric(timeDesc, prometheus.GaugeValue, float64(now.UnixNano())/1e9)
	for _, s := range c.sources {
		c.collectSource(s, metrics)
	}
}

// collectSource passes on what the source emits, unless it fails.
func (c *Collector) collectSource(s source, metrics chan<- prometheus.Metric) {
	var collected []prometheus.Metric
	begin := time.Now()
	err := s.collect(func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		collected = append(collected, prometheus.MustNewConstMetric(desc, kind, value, labels...))
	})
	took := time.Since(begin)
	success := 1.0
	if err != nil {
		success, collected = 0, nil
		c.cfg.Log.Debug("a source could not be read", "collector", s.name, "err", err)
	}
	for _, metric := range collected {
		metrics <- metric
	}
	metrics <- prometheus.MustNewConstMetric(successDesc, prometheus.GaugeValue, success, s.name)
	metrics <- prometheus.MustNewConstMetric(durationDesc, prometheus.GaugeValue, took.Seconds(), s.name)
}

// Capacity is what the machine has: cores, and bytes of memory and of the file
// system that holds the data root.
type Capacity struct {
	Cores        float64
	Memory, Disk float64
}

// Capacity reads what the machine has. It fails as a whole where one figure
// cannot be read.
func (c *Collector) Capacity() (Capacity, error) {
	cpu, err := c.readCPU()
	if err != nil {
		return Capacity{}, err
	}
	memory, err := c.readMemory()
	if err != nil {
		return Capacity{}, err
	}
	data, err := c.readDataRoot()
	if err != nil {
		return Capacity{}, err
	}
	return Capacity{Cores: c.cores(cpu), Memory: float64(*memory.MemTotalBytes), Disk: data.total}, nil
}

// Close waits for calls to file systems that have not come back, for as long as
// they may take together; one that never does is left behind.
func (c *Collector) Close() error {
	c.disks.wait(c.cfg.StatfsTimeout)
	return nil
}
