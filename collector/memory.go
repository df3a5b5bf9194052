package collector

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

var (
	memoryTotalDesc = prometheus.NewDesc("cube_memory_total_bytes",
		"Usable memory of the machine, in bytes.", nil, nil)
	memoryAvailableDesc = prometheus.NewDesc("cube_memory_available_bytes",
		"Memory that can be had without swapping, in bytes, as the kernel estimates it (MemAvailable).", nil, nil)
	memoryUsedDesc = prometheus.NewDesc("cube_memory_used_bytes",
		"Memory in use, in bytes: total less available.", nil, nil)
)

// readMemory reads /proc/meminfo. What a kernel does not have is nil: a kernel
// before 3.14 has no MemAvailable, and it cannot be rebuilt from the rest.
func (c *Collector) readMemory() (procfs.Meminfo, error) {
	info, err := c.proc.Meminfo()
	if err != nil {
		return info, err
	}
	if info.MemTotalBytes == nil || *info.MemTotalBytes == 0 {
		return info, fmt.Errorf("%s/meminfo has no MemTotal", c.cfg.ProcPath)
	}
	if info.MemAvailableBytes != nil && *info.MemAvailableBytes > *info.MemTotalBytes {
		return info, fmt.Errorf("%s/meminfo: MemAvailable is %d bytes, more than MemTotal of %d",
			c.cfg.ProcPath, *info.MemAvailableBytes, *info.MemTotalBytes)
	}
	return info, nil
}

func (c *Collector) collectMemory(emit emitter) error {
	info, err := c.readMemory()
	if err != nil {
		return err
	}
	total := float64(*info.MemTotalBytes)
	emit(memoryTotalDesc, prometheus.GaugeValue, total)
	if info.MemAvailableBytes != nil {
		available := float64(*info.MemAvailableBytes)
		emit(memoryAvailableDesc, prometheus.GaugeValue, available)
		emit(memoryUsedDesc, prometheus.GaugeValue, total-available)
	}
	return nil
}
