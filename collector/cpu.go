package collector

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"cube/collector/families"
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
	cpus   int    // how many are online
	online string // which: their numbers with a comma after each
}

// statLimit bounds the part of /proc/stat that is read: the lines of the CPUs,
// some 100 bytes each.
const statLimit = 4 << 20

// stat reads the CPU lines of /proc/stat.
type stat struct {
	file   *kernelFile
	online string // both are guarded by the file's lock
	ids    []byte
}

// read reads /proc/stat no further than the CPU lines go: those after them, of
// all interrupts above all, are most of the file and not wanted.
func (s *stat) read() (cpuReading, error) {
	s.file.mu.Lock()
	defer s.file.mu.Unlock()
	text, err := s.file.read(cpuLinesEnd)
	if err != nil {
		return cpuReading{}, err
	}
	r, ids, err := parseStat(text, s.ids[:0])
	s.ids = ids
	if err != nil {
		return cpuReading{}, fmt.Errorf("%s: %w", s.file.path, err)
	}
	if s.online != string(ids) { // allocates where the CPUs changed only
		s.online = string(ids)
	}
	r.online = s.online
	return r, nil
}

// cpuLinesEnd reports whether a line that is no CPU's has begun.
func cpuLinesEnd(text []byte, _ bool) bool {
	last := bytes.LastIndexByte(text, '\n')
	return last >= 0 && len(text) > last+4 && !bytes.HasPrefix(text[last+1:], []byte("cpu")) ||
		bytes.Contains(text, []byte("\nintr "))
}

// parseStat reads the first line of /proc/stat, and the numbers of the CPUs that
// are online off the lines after it; these it appends to ids. See proc_stat(5).
//
// It stands beside procfs, which reads every column of every CPU's line with
// Sscanf and all the interrupts: on 256 CPUs with 2,000 interrupts it takes some
// 80 times as long (BenchmarkLargeMachine). The fuzz test holds the two against
// each other.
func parseStat(text, ids []byte) (r cpuReading, online []byte, err error) {
	line, rest, ok := cutLine(text)
	if !ok || !bytes.HasPrefix(line, []byte("cpu ")) {
		return r, ids, errors.New("it does not begin with a whole line of all CPUs")
	}
	if err := parseTimes(line[len("cpu "):], &r.times); err != nil {
		return r, ids, err
	}
	for bytes.HasPrefix(rest, []byte("cpu")) {
		if line, rest, ok = cutLine(rest); !ok {
			return r, ids, errors.New("it is cut off within the lines of the CPUs")
		}
		number, _ := cutWord(line[len("cpu"):])
		if _, err := strconv.ParseUint(string(number), 10, 31); err != nil {
			return r, ids, fmt.Errorf("%q is not the line of a CPU", line)
		}
		ids = append(append(ids, number...), ',')
		r.cpus++
	}
	switch {
	case r.cpus == 0:
		return r, ids, errors.New("it names no CPU")
	case len(rest) == 0:
		return r, ids, errors.New("it is cut off after the lines of the CPUs")
	}
	return r, ids, nil
}

// parseTimes reads the ticks of one line. Kernels of old had fewer columns, and
// what they had not is 0; the first four were always there.
func parseTimes(columns []byte, times *cpuTimes) error {
	for mode := range times {
		var column []byte
		if column, columns = cutWord(columns); len(column) == 0 {
			if mode <= modeIdle {
				return fmt.Errorf("the line of all CPUs has %d columns", mode)
			}
			break
		}
		ticks, err := strconv.ParseUint(string(column), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not the ticks of %s", column, cpuModes[mode])
		}
		times[mode] = float64(ticks) / userHZ
	}
	return nil
}

// userHZ is how many ticks a second has in /proc/stat, on every architecture
// that Linux has now.
const userHZ = 100

// cores is how many CPUs there are for Cube.
func (c *Collector) cores(r cpuReading, b bounds) float64 {
	cores := min(float64(r.cpus), b.cores)
	if c.cfg.CPU > 0 {
		cores = min(cores, c.cfg.CPU)
	}
	return cores
}

// readCPU reads the CPUs and takes the reading into the window.
func (c *Collector) readCPU(now time.Time) (cpuFigures, error) {
	reading, err := c.stat.read()
	if err != nil {
		return cpuFigures{}, err
	}
	b, err := c.scope.bounds(now)
	if err != nil {
		return cpuFigures{}, err
	}
	figures := cpuFigures{cores: c.cores(reading, b)}
	figures.times, figures.usage, figures.known = c.usage.observe(now, reading)
	if b.narrowsCPU(reading.cpus) {
		figures.usage, figures.known, err = c.scope.usage(now, b, min(float64(reading.cpus), b.cores))
	}
	return figures, err
}

// cpuFigures are what the page and the Stats say of the CPUs.
type cpuFigures struct {
	times cpuTimes
	usage cpuUsage
	known bool // whether there is a usage yet
	cores float64
}

// pageModes are the modes in the order of their labels.
var pageModes = [...]struct {
	mode   int
	labels *families.Labels
}{
	{modeGuest, families.NewLabels(modeLabels, "guest")}, {modeGuestNice, families.NewLabels(modeLabels, "guest_nice")},
	{modeIdle, families.NewLabels(modeLabels, "idle")}, {modeIowait, families.NewLabels(modeLabels, "iowait")},
	{modeIRQ, families.NewLabels(modeLabels, "irq")}, {modeNice, families.NewLabels(modeLabels, "nice")},
	{modeSoftirq, families.NewLabels(modeLabels, "softirq")}, {modeSteal, families.NewLabels(modeLabels, "steal")},
	{modeSystem, families.NewLabels(modeLabels, "system")}, {modeUser, families.NewLabels(modeLabels, "user")},
}

func (c *Collector) collectCPU(now time.Time, p *families.Page) error {
	figures, err := c.readCPU(now)
	if err != nil {
		return err
	}
	for _, m := range pageModes {
		p.Set(cpuSeconds, figures.times[m.mode], m.labels)
	}
	if figures.known {
		p.Set(cpuUsageRatio, figures.usage.ratio, nil)
		p.Set(cpuUsageWindow, figures.usage.window.Seconds(), nil)
	}
	p.Set(cpuCores, figures.cores, nil)
	return nil
}

// ticks turns seconds back into the kernel's ticks, as the book's CpuStats counts.
func ticks(seconds float64) uint64 { return uint64(math.Round(seconds * userHZ)) }

// cpuStats is the book's shape of a reading.
func cpuStats(t cpuTimes) CpuStats {
	return CpuStats{
		Id: "cpu", User: ticks(t[modeUser]), Nice: ticks(t[modeNice]), System: ticks(t[modeSystem]), Idle: ticks(t[modeIdle]),
		IOWait: ticks(t[modeIowait]), IRQ: ticks(t[modeIRQ]), SoftIRQ: ticks(t[modeSoftirq]), Steal: ticks(t[modeSteal]),
		Guest: ticks(t[modeGuest]), GuestNice: ticks(t[modeGuestNice]),
	}
}
