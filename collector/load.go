package collector

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"

	"cube/collector/families"
)

// loadReading is one look at /proc/loadavg.
type loadReading struct {
	averages       [3]float64 // over 1, 5 and 15 minutes
	running, total uint64
	lastPID        uint64
}

// loadavgLimit bounds /proc/loadavg, which is one line.
const loadavgLimit = 4096

// loadavg reads /proc/loadavg itself: procfs has the three averages only.
type loadavg struct{ file *kernelFile }

func (l *loadavg) read() (loadReading, error) {
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	text, err := l.file.read(wholeLines)
	if err != nil {
		return loadReading{}, err
	}
	r, err := parseLoad(text)
	if err != nil {
		return r, fmt.Errorf("%s: %w", l.file.path, err)
	}
	return r, nil
}

// parseLoad reads "0.20 0.18 0.12 1/80 11206" (proc_loadavg(5)).
func parseLoad(text []byte) (r loadReading, err error) {
	line, rest, whole := cutLine(text)
	if !whole || len(rest) > 0 {
		return r, fmt.Errorf("%.80q is not one line", text)
	}
	var word []byte
	for i := range r.averages {
		word, line = cutWord(line)
		if r.averages[i], err = parseFinite(word); err != nil {
			return r, fmt.Errorf("%q is not a load average", word)
		}
	}
	word, line = cutWord(line)
	running, total, _ := bytes.Cut(word, []byte{'/'})
	word, line = cutWord(line)
	for _, count := range [...]struct {
		text []byte
		to   *uint64
	}{{running, &r.running}, {total, &r.total}, {word, &r.lastPID}} {
		if *count.to, err = strconv.ParseUint(string(count.text), 10, 64); err != nil {
			return r, fmt.Errorf("%q is not a count", count.text)
		}
	}
	if len(line) > 0 {
		return r, fmt.Errorf("%q is more than the five words of a load average", text)
	}
	return r, nil
}

// parseFinite reads a number that is neither negative nor infinite nor none.
func parseFinite(word []byte) (float64, error) {
	v, err := strconv.ParseFloat(string(word), 64)
	if err == nil && (!(v >= 0) || math.IsInf(v, 0)) {
		err = strconv.ErrRange
	}
	return v, err
}

func (c *Collector) collectLoad(_ time.Time, p *families.Page) error {
	r, err := c.loadavg.read()
	if err != nil {
		return err
	}
	p.Set(load1, r.averages[0], nil)
	p.Set(load5, r.averages[1], nil)
	p.Set(load15, r.averages[2], nil)
	p.Set(procsRunning, float64(r.running), nil)
	p.Set(procs, float64(r.total), nil)
	return nil
}
