package collector

import (
	"errors"
	"fmt"
	"time"
)

// Stats is the book's picture of a machine, key for key, and what it lacked:
// when it was taken, how many cores there are, and CPU usage as a ratio.
type Stats struct {
	MemStats  MemStats
	DiskStats DiskStats
	CpuStats  CpuStats
	LoadStats LoadStats
	// TaskCount is how many tasks run; whoever runs them fills it in.
	TaskCount int

	// Timestamp is the machine's clock at the reading.
	Timestamp time.Time
	// Cores is how many CPUs there are for Cube.
	Cores float64
	// CpuUsageRatio is the busy share of all CPUs, 0–1, over the last
	// CpuWindow seconds; both are null until there has been a window.
	CpuUsageRatio *float64 `json:"CpuUsage"`
	CpuWindow     *float64 `json:"CpuUsageWindow"`
}

// DiskStats is the file system that tasks' data is kept on, in bytes. Free is
// what root could write, as in the book; see the metrics for what others can.
type DiskStats struct {
	All        uint64 `json:"all"`
	Used       uint64 `json:"used"`
	Free       uint64 `json:"free"`
	FreeInodes uint64 `json:"freeInodes"`
}

// CpuStats is the first line of /proc/stat: ticks of 1/100 s since boot, all
// CPUs summed.
type CpuStats struct {
	Id        string `json:"id"` // "cpu"
	User      uint64 `json:"user"`
	Nice      uint64 `json:"nice"`
	System    uint64 `json:"system"`
	Idle      uint64 `json:"idle"`
	IOWait    uint64 `json:"iowait"`
	IRQ       uint64 `json:"irq"`
	SoftIRQ   uint64 `json:"softirq"`
	Steal     uint64 `json:"steal"`
	Guest     uint64 `json:"guest"`
	GuestNice uint64 `json:"guest_nice"`
}

// LoadStats is /proc/loadavg.
type LoadStats struct {
	Last1Min       float64 `json:"last1min"`
	Last5Min       float64 `json:"last5min"`
	Last15Min      float64 `json:"last15min"`
	ProcessRunning uint64  `json:"process_running"`
	ProcessTotal   uint64  `json:"process_total"`
	LastPID        uint64  `json:"last_pid"`
}

// Stats reads the machine. Unlike metrics, which go missing one by one, it fails
// as a whole where a source cannot be read: a zero would look like a value.
func (c *Collector) Stats() (Stats, error) {
	now := c.cfg.Now()
	cpu, err := c.readCPU(now)
	if err != nil {
		return Stats{}, err
	}
	memory, err := c.memStats(now)
	if err != nil {
		return Stats{}, err
	}
	load, err := c.loadavg.read()
	if err != nil {
		return Stats{}, err
	}
	disk, err := c.readDataRoot()
	if err != nil {
		return Stats{}, err
	}
	stats := Stats{
		MemStats: memory,
		DiskStats: DiskStats{
			All: uint64(disk.total), Used: uint64(disk.used()), Free: uint64(disk.free), FreeInodes: disk.inodesFree,
		},
		CpuStats: cpuStats(cpu.times),
		LoadStats: LoadStats{
			Last1Min: load.averages[0], Last5Min: load.averages[1], Last15Min: load.averages[2],
			ProcessRunning: load.running, ProcessTotal: load.total, LastPID: load.lastPID,
		},
		Timestamp: now, Cores: cpu.cores,
	}
	if cpu.known {
		window := cpu.usage.window.Seconds()
		stats.CpuUsageRatio, stats.CpuWindow = &cpu.usage.ratio, &window
	}
	return stats, nil
}

// ErrUnknown says that a figure is not known: the kernel does not have it, or
// there has not been a window to measure over yet.
var ErrUnknown = errors.New("the figure is not known")

// MemTotalKb is the memory of the machine, in kB.
func (s *Stats) MemTotalKb() uint64 { return orZero(s.MemStats.MemTotal) }

// MemAvailableKb is the memory that can be had without swapping, in kB; 0 where
// the kernel does not say, which MemUsedPercent tells apart.
func (s *Stats) MemAvailableKb() uint64 { return orZero(s.MemStats.MemAvailable) }

// MemUsedKb is total less available, in kB.
func (s *Stats) MemUsedKb() uint64 { return s.MemTotalKb() - min(s.MemAvailableKb(), s.MemTotalKb()) }

// MemUsedPercent is used/total × 100, from 0 to 100. It is [ErrUnknown] where
// the kernel does not say what is available.
func (s *Stats) MemUsedPercent() (float64, error) {
	if s.MemStats.MemAvailable == nil || s.MemTotalKb() == 0 {
		return 0, fmt.Errorf("memory used: %w", ErrUnknown)
	}
	return 100 * float64(s.MemUsedKb()) / float64(s.MemTotalKb()), nil
}

// DiskTotal is the size of the file system of tasks' data, in bytes.
func (s *Stats) DiskTotal() uint64 { return s.DiskStats.All }

// DiskFree is what is free there, root's reserve included, in bytes.
func (s *Stats) DiskFree() uint64 { return s.DiskStats.Free }

// DiskUsed is size less free, in bytes.
func (s *Stats) DiskUsed() uint64 { return s.DiskStats.Used }

// CpuUsage is the busy share of all CPUs, from 0 to 1, over the last window:
// busy/(busy + idle) of the differences between two readings, with busy = user +
// nice + system + irq + softirq + steal and idle = idle + iowait. It is
// [ErrUnknown] until there has been a window.
func (s *Stats) CpuUsage() (float64, error) {
	if s.CpuUsageRatio == nil {
		return 0, fmt.Errorf("CPU usage: %w", ErrUnknown)
	}
	return *s.CpuUsageRatio, nil
}

func orZero(v *uint64) uint64 {
	if v == nil {
		return 0
	}
	return *v
}
