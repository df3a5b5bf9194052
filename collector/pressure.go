package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"cube/collector/families"
)

// pressureLimit bounds a file of /proc/pressure, which has two lines.
const pressureLimit = 4096

// pressureFile is one resource's file below /proc/pressure.
type pressureFile struct {
	resource string
	file     *kernelFile
	labels   *families.Labels
	seen     atomic.Bool // whether it was ever read: one that was and is gone is a failure
}

// newPressureFiles opens nothing yet; path names a resource's file. They are in the order of the labels.
func newPressureFiles(path func(resource string) string, now func() time.Time) (files []*pressureFile) {
	for _, resource := range []string{"cpu", "io", "memory"} {
		files = append(files, &pressureFile{
			resource: resource,
			file:     newKernelFile(path(resource), pressureLimit, now),
			labels:   families.NewLabels(resourceLabels, resource),
		})
	}
	return files
}

// stall is one line: the share of the last ten seconds, 0–1, and seconds since
// boot.
type stall struct {
	known          bool
	ratio, seconds float64
}

// pressureReading is what a resource's file says; older kernels have no "full"
// for the CPU.
type pressureReading struct{ some, full stall }

func (f *pressureFile) read() (pressureReading, error) {
	f.file.mu.Lock()
	defer f.file.mu.Unlock()
	text, err := f.file.read(wholeLines)
	if err != nil {
		return pressureReading{}, err
	}
	r, err := parsePressure(text)
	if err != nil {
		return r, fmt.Errorf("%s: %w", f.file.path, err)
	}
	return r, nil
}

// parsePressure reads lines such as
//
//	some avg10=1.50 avg60=0.30 avg300=0.10 total=123456
//
// with shares in per cent and totals in microseconds (the kernel's
// Documentation/accounting/psi.rst).
//
// It stands beside procfs, which takes 10 µs of CPU for each of the three files
// by Sscanf, where this takes 0.3. A test holds the two against each other.
func parsePressure(text []byte) (r pressureReading, err error) {
	for rest := text; len(rest) > 0; {
		line, after, whole := cutLine(rest)
		if !whole {
			return r, errors.New("it is cut off within a line")
		}
		rest = after
		kind, columns := cutWord(line)
		switch string(kind) {
		case "some":
			r.some, err = parseStall(columns)
		case "full":
			r.full, err = parseStall(columns)
		}
		if err != nil {
			return r, err
		}
	}
	if !r.some.known {
		return r, errors.New("it has no line \"some\"")
	}
	return r, nil
}

func parseStall(columns []byte) (s stall, err error) {
	shareKnown := false
	for len(columns) > 0 {
		var column []byte
		column, columns = cutWord(columns)
		key, value, _ := bytes.Cut(column, []byte{'='})
		switch string(key) {
		case "avg10":
			percent, err := parseFinite(value)
			if err != nil {
				return s, fmt.Errorf("%q is not a share", column)
			}
			s.ratio, shareKnown = min(1, percent/100), true
		case "total":
			microseconds, err := strconv.ParseUint(string(value), 10, 64)
			if err != nil {
				return s, fmt.Errorf("%q is not a time", column)
			}
			s.seconds, s.known = float64(microseconds)/1e6, true
		}
	}
	if !s.known || !shareKnown {
		return s, errors.New("a line without avg10 or without total")
	}
	return s, nil
}

// collectPressure reads /proc/pressure. A kernel built or started without
// pressure information is no failure: its metrics are left out, and the log says
// so once. The scope's cgroup has its own pressure in version 2 and none in
// version 1.
func (c *Collector) collectPressure(now time.Time, p *families.Page) error {
	b, err := c.scope.bounds(now)
	if err != nil {
		return err
	}
	files := c.pressure
	if b.inGroup {
		files = b.pressure
	}
	for _, f := range files {
		r, err := f.read()
		if noPressure(err) && !f.seen.Load() {
			c.saidPressure.Do(func() {
				c.cfg.Log.Info("this kernel has no pressure information; its metrics are left out", "err", err)
			})
			continue
		}
		if err != nil {
			return err
		}
		f.seen.Store(true)
		setStall(p, pressureSome, pressureSomeSeconds, r.some, f.labels)
		setStall(p, pressureFull, pressureFullSeconds, r.full, f.labels)
	}
	return nil
}

// noPressure reports whether err means that there is no pressure information: no
// file (CONFIG_PSI), or one that cannot be read (psi=0).
func noPressure(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP)
}

func setStall(p *families.Page, ratio, seconds family, s stall, l *families.Labels) {
	if s.known {
		p.Set(ratio, s.ratio, l)
		p.Set(seconds, s.seconds, l)
	}
}
