package collector

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// cpuModes are the columns of /proc/stat in its order. Guest time is inside user
// and nice already.
var cpuModes = [...]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"}

// The places of the modes in cpuTimes.
const (
	modeUser = iota
	modeNice
	modeSystem
	modeIdle
	modeIowait
	modeIRQ
	modeSoftirq
	modeSteal
	modeGuest
	modeGuestNice
)

// cpuTimes are seconds since boot by mode, all CPUs summed.
type cpuTimes [len(cpuModes)]float64

// cpuReading is one look at /proc/stat.
type cpuReading struct {
	times  cpuTimes
	online []int64 // CPU numbers, sorted
}

var (
	cpuSecondsDesc = prometheus.NewDesc("cube_cpu_seconds_total",
		"Seconds the CPUs spent in each mode since boot, all CPUs summed; guest time is inside user and nice too.", []string{"mode"}, nil)
	cpuUsageDesc = prometheus.NewDesc("cube_cpu_usage_ratio",
		"Busy share of all CPUs, 0 to 1, over the last cube_cpu_usage_window_seconds.", nil, nil)
	cpuWindowDesc = prometheus.NewDesc("cube_cpu_usage_window_seconds",
		"Seconds that cube_cpu_usage_ratio was measured over.", nil, nil)
	cpuCoresDesc = prometheus.NewDesc("cube_cpu_cores",
		"CPUs online, or fewer where Cube was given fewer.", nil, nil)
)

// readCPU reads /proc/stat.
func (c *Collector) readCPU() (cpuReading, error) {
	stat, err := c.proc.Stat()
	if err != nil {
		return cpuReading{}, err
	}
	total := stat.CPUTotal
	reading := cpuReading{
		times: cpuTimes{
			modeUser: total.User, modeNice: total.Nice, modeSystem: total.System, modeIdle: total.Idle, modeIowait: total.Iowait,
			modeIRQ: total.IRQ, modeSoftirq: total.SoftIRQ, modeSteal: total.Steal, modeGuest: total.Guest, modeGuestNice: total.GuestNice,
		},
		online: slices.Sorted(maps.Keys(stat.CPU)),
	}
	if len(reading.online) == 0 {
		return cpuReading{}, fmt.Errorf("%s/stat names no CPU", c.cfg.ProcPath)
	}
	for i, seconds := range reading.times {
		if math.IsNaN(seconds) || math.IsInf(seconds, 0) || seconds < 0 {
			return cpuReading{}, fmt.Errorf("%s/stat: %v seconds in mode %s", c.cfg.ProcPath, seconds, cpuModes[i])
		}
	}
	return reading, nil
}

// cores is how many CPUs there are for Cube.
func (c *Collector) cores(r cpuReading) float64 {
	cores := float64(len(r.online))
	if c.cfg.CPU > 0 {
		cores = min(cores, c.cfg.CPU)
	}
	return cores
}

func (c *Collector) collectCPU(emit emitter) error {
	reading, err := c.readCPU()
	if err != nil {
		return err
	}
	times, usage, known := c.usage.observe(c.cfg.Now(), reading)
	for mode, seconds := range times {
		emit(cpuSecondsDesc, prometheus.CounterValue, seconds, cpuModes[mode])
	}
	if known {
		emit(cpuUsageDesc, prometheus.GaugeValue, usage.ratio)
		emit(cpuWindowDesc, prometheus.GaugeValue, usage.window.Seconds())
	}
	emit(cpuCoresDesc, prometheus.GaugeValue, c.cores(reading))
	return nil
}

// ticks turns procfs' seconds back into the kernel's ticks of 1/100 s (USER_HZ
// is 100 on every architecture Linux has now), as the book's CpuStats counts.
func ticks(seconds float64) uint64 { return uint64(math.Round(seconds * 100)) }

// cpuStats is the book's shape of a reading.
func cpuStats(t cpuTimes) CpuStats {
	return CpuStats{
		Id: "cpu", User: ticks(t[modeUser]), Nice: ticks(t[modeNice]), System: ticks(t[modeSystem]), Idle: ticks(t[modeIdle]),
		IOWait: ticks(t[modeIowait]), IRQ: ticks(t[modeIRQ]), SoftIRQ: ticks(t[modeSoftirq]), Steal: ticks(t[modeSteal]),
		Guest: ticks(t[modeGuest]), GuestNice: ticks(t[modeGuestNice]),
	}
}
