package collector

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	load1Desc        = prometheus.NewDesc("cube_load1", "Load average over one minute: runnable and uninterruptible tasks.", nil, nil)
	load5Desc        = prometheus.NewDesc("cube_load5", "Load average over five minutes.", nil, nil)
	load15Desc       = prometheus.NewDesc("cube_load15", "Load average over fifteen minutes.", nil, nil)
	procsRunningDesc = prometheus.NewDesc("cube_procs_running", "Runnable threads.", nil, nil)
	procsDesc        = prometheus.NewDesc("cube_procs", "Threads there are.", nil, nil)
)

// loadReading is one look at /proc/loadavg.
type loadReading struct {
	averages       [3]float64 // over 1, 5 and 15 minutes
	running, total uint64
	lastPID        uint64
}

// readLoad reads /proc/loadavg itself: procfs has the three averages only.
func (c *Collector) readLoad() (loadReading, error) {
	path := filepath.Join(c.cfg.ProcPath, "loadavg")
	text, err := os.ReadFile(path)
	if err != nil {
		return loadReading{}, err
	}
	reading, err := parseLoad(string(text))
	if err != nil {
		return loadReading{}, fmt.Errorf("%s: %w", path, err)
	}
	return reading, nil
}

// parseLoad reads "0.20 0.18 0.12 1/80 11206" (proc_loadavg(5)).
func parseLoad(text string) (r loadReading, err error) {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return r, fmt.Errorf("has %d fields; want 5", len(fields))
	}
	for i := range r.averages {
		r.averages[i], err = strconv.ParseFloat(fields[i], 64)
		if err != nil || !(r.averages[i] >= 0) || math.IsInf(r.averages[i], 0) {
			return r, fmt.Errorf("%q is not a load average", fields[i])
		}
	}
	running, total, _ := strings.Cut(fields[3], "/")
	for _, field := range []struct {
		text string
		to   *uint64
	}{{running, &r.running}, {total, &r.total}, {fields[4], &r.lastPID}} {
		if *field.to, err = strconv.ParseUint(field.text, 10, 64); err != nil {
			return r, fmt.Errorf("%q is not a count", field.text)
		}
	}
	return r, nil
}

func (c *Collector) collectLoad(emit emitter) error {
	reading, err := c.readLoad()
	if err != nil {
		return err
	}
	emit(load1Desc, prometheus.GaugeValue, reading.averages[0])
	emit(load5Desc, prometheus.GaugeValue, reading.averages[1])
	emit(load15Desc, prometheus.GaugeValue, reading.averages[2])
	emit(procsRunningDesc, prometheus.GaugeValue, float64(reading.running))
	emit(procsDesc, prometheus.GaugeValue, float64(reading.total))
	return nil
}
