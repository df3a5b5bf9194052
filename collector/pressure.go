package collector

import (
	"errors"
	"io/fs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// pressureResources are the files below /proc/pressure.
var pressureResources = [...]string{"cpu", "memory", "io"}

var (
	pressureSomeDesc = prometheus.NewDesc("cube_pressure_some_ratio",
		"Share of the last 10 seconds, 0 to 1, in which some task waited for the resource.", []string{"resource"}, nil)
	pressureFullDesc = prometheus.NewDesc("cube_pressure_full_ratio",
		"Share of the last 10 seconds, 0 to 1, in which all tasks waited for the resource at once.", []string{"resource"}, nil)
	pressureSomeSecondsDesc = prometheus.NewDesc("cube_pressure_some_seconds_total",
		"Seconds in which some task waited for the resource.", []string{"resource"}, nil)
	pressureFullSecondsDesc = prometheus.NewDesc("cube_pressure_full_seconds_total",
		"Seconds in which all tasks waited for the resource at once.", []string{"resource"}, nil)
)

// collectPressure reads /proc/pressure. A kernel built or started without
// pressure information is no failure: its metrics are left out, and the log says
// so once.
func (c *Collector) collectPressure(emit emitter) error {
	for _, resource := range pressureResources {
		stats, err := c.proc.PSIStatsForResource(resource)
		if missing(err) {
			c.saidPressure.Do(func() {
				c.cfg.Log.Info("this kernel has no pressure information; its metrics are left out", "err", err)
			})
			return nil
		}
		if err != nil {
			return err
		}
		emitPressure(emit, resource, stats.Some, pressureSomeDesc, pressureSomeSecondsDesc)
		emitPressure(emit, resource, stats.Full, pressureFullDesc, pressureFullSecondsDesc)
	}
	return nil
}

// missing reports whether err means that there is no pressure information: no
// file (CONFIG_PSI), or one that cannot be read (psi=0).
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP)
}

// emitPressure leaves out a line that the file does not have: older kernels have
// no "full" for the CPU.
func emitPressure(emit emitter, resource string, line *procfs.PSILine, ratio, seconds *prometheus.Desc) {
	if line == nil {
		return
	}
	emit(ratio, prometheus.GaugeValue, min(1, max(0, line.Avg10/100)), resource)
	emit(seconds, prometheus.CounterValue, float64(line.Total)/1e6, resource)
}
