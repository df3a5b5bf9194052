package collector

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"

	"cube/collector/families"
)

// Collector measures the machine anew at each call. It implements
// prometheus.Collector, for any registry, and prometheus.TransactionalGatherer,
// which costs less. All methods may be called at the same time.
type Collector struct {
	cfg     Config
	table   *families.Table
	sources []*source // in the order of their names

	proc     procfs.FS
	stat     *stat
	meminfo  *meminfo
	loadavg  *loadavg
	pressure []*pressureFile
	mounts   *mountTable
	usage    *usage
	scope    *scope
	disks    *statfsCaller

	capacity     atomic.Pointer[datedCapacity]
	saidPressure sync.Once
	dataFailing  atomic.Bool // whether the log has it
}

// New makes a collector. The error says what of the configuration cannot be, or
// that there is no proc file system at ProcPath. CPU usage is a difference: it is
// there from the second reading on.
func New(cfg Config) (*Collector, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	proc, err := procfs.NewFS(cfg.ProcPath)
	if err != nil {
		return nil, fmt.Errorf("the proc file system at %s: %w", cfg.ProcPath, err)
	}
	path := func(name ...string) string { return filepath.Join(append([]string{cfg.ProcPath}, name...)...) }
	c := &Collector{
		cfg: cfg, table: families.NewTable(metrics[:]), proc: proc,
		stat:     &stat{file: newKernelFile(path("stat"), statLimit, cfg.Now)},
		meminfo:  &meminfo{file: newKernelFile(path("meminfo"), meminfoLimit, cfg.Now)},
		loadavg:  &loadavg{file: newKernelFile(path("loadavg"), loadavgLimit, cfg.Now)},
		pressure: newPressureFiles(func(resource string) string { return path("pressure", resource) }, cfg.Now),
		usage:    &usage{window: cfg.Window, minWindow: cfg.MinWindow},
		scope:    newScope(cfg),
		disks:    newStatfsCaller(cfg.Statfs),
	}
	c.mounts = newMountTable(cfg, proc)
	c.sources = c.newSources()
	return c, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) { c.table.Describe(descs) }

// Collect implements prometheus.Collector. Every source is read anew.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) { c.collect(c.sources, metrics) }

// Capacity is what the machine has: cores, and bytes of memory and of the file
// system that holds the data root.
type Capacity struct {
	Cores        float64
	Memory, Disk float64
}

// Capacity is what the machine has, narrowed by the scope. Where a page was made
// within the last second it is of that page's reading, so that who shows both
// reads once; otherwise it is read now. It fails as a whole where one figure
// cannot be read.
func (c *Collector) Capacity() (Capacity, error) {
	now := c.cfg.Now()
	if last := c.capacity.Load(); last != nil && now.Sub(last.at).Abs() < capacityAge {
		return last.Capacity, nil
	}
	cpu, err := c.stat.read()
	if err != nil {
		return Capacity{}, err
	}
	b, err := c.scope.bounds(now)
	if err != nil {
		return Capacity{}, err
	}
	memory, err := c.readMemory(now)
	if err != nil {
		return Capacity{}, err
	}
	data, err := c.readDataRoot()
	if err != nil {
		return Capacity{}, err
	}
	return Capacity{Cores: c.cores(cpu, b), Memory: float64(memory.total), Disk: data.total}, nil
}

// capacityAge is how long the capacity of a page's reading stands.
const capacityAge = time.Second

// datedCapacity is the capacity of the last page that had all of it.
type datedCapacity struct {
	Capacity
	at time.Time
}

// keepCapacity keeps the capacity that a page shows.
func (c *Collector) keepCapacity(now time.Time, p *families.Page) {
	cores, known := p.Value(cpuCores)
	memory, knownMemory := p.Value(memoryTotal)
	disk, knownDisk := p.Value(dataDiskTotal)
	if !known || !knownMemory || !knownDisk {
		c.capacity.Store(nil)
		return
	}
	c.capacity.Store(&datedCapacity{Capacity{Cores: cores, Memory: memory, Disk: disk}, now})
}

// Close gives the kept descriptors back and waits for calls to file systems that
// have not come back, for as long as they may take together; one that never does
// is left behind, and the error says so.
func (c *Collector) Close() error {
	for _, f := range []*kernelFile{c.stat.file, c.meminfo.file, c.loadavg.file, c.mounts.file} {
		f.close()
	}
	for _, f := range c.pressure {
		f.file.close()
	}
	c.scope.close()
	if !c.disks.wait(c.cfg.StatfsTimeout) {
		return errors.New("closing the collector: a file system still does not answer")
	}
	return nil
}
