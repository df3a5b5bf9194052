package collector

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"cube/collector/families"
)

// memoryReading is what the page says of memory, in bytes.
type memoryReading struct {
	total, available uint64
	availableKnown   bool // a kernel before 3.14 has no MemAvailable
}

// meminfoLimit bounds /proc/meminfo, which has some 1.5 kB.
const meminfoLimit = 64 << 10

// meminfo reads the two lines of /proc/meminfo that the page wants.
type meminfo struct{ file *kernelFile }

func (m *meminfo) read() (memoryReading, error) {
	m.file.mu.Lock()
	defer m.file.mu.Unlock()
	text, err := m.file.read(wholeLines)
	if err != nil {
		return memoryReading{}, err
	}
	r, err := parseMeminfo(text)
	if err != nil {
		return r, fmt.Errorf("%s: %w", m.file.path, err)
	}
	return r, nil
}

// parseMeminfo finds MemTotal and MemAvailable, which are among the first lines.
// What a kernel does not have cannot be rebuilt from the rest. See
// proc_meminfo(5).
//
// It stands beside procfs, which parses all 50 lines into 100 pointers: 14 µs of
// CPU, where this takes 0.3. The full [MemStats] are procfs's. A test holds the
// two against each other.
func parseMeminfo(text []byte) (r memoryReading, err error) {
	totalKnown := false
	for rest := text; len(rest) > 0 && (!totalKnown || !r.availableKnown); {
		line, after, whole := cutLine(rest)
		if !whole {
			return r, errors.New("it is cut off within a line")
		}
		rest = after
		key, value := cutWord(line)
		switch string(key) {
		case "MemTotal:":
			r.total, err = parseBytes(value)
			totalKnown = true
		case "MemAvailable:":
			r.available, err = parseBytes(value)
			r.availableKnown = true
		}
		if err != nil {
			return r, err
		}
	}
	switch {
	case r.total == 0:
		return r, errors.New("it has no MemTotal")
	case r.available > r.total:
		return r, fmt.Errorf("MemAvailable is %d bytes, more than MemTotal of %d", r.available, r.total)
	}
	return r, nil
}

// parseBytes reads "1234 kB"; a number without a unit is bytes.
func parseBytes(value []byte) (uint64, error) {
	number, unit := cutWord(value)
	unit, tail := cutWord(unit)
	n, err := strconv.ParseUint(string(number), 10, 54)
	if err != nil || len(tail) > 0 || (len(unit) > 0 && string(unit) != "kB") {
		return 0, fmt.Errorf("%q is not a size", value)
	}
	if len(unit) > 0 {
		n *= 1024
	}
	return n, nil
}

// readMemory reads the memory there is for Cube.
func (c *Collector) readMemory(now time.Time) (memoryReading, error) {
	r, err := c.meminfo.read()
	if err != nil {
		return r, err
	}
	b, err := c.scope.bounds(now)
	if err != nil {
		return r, err
	}
	return b.narrowMemory(r)
}

func (c *Collector) collectMemory(now time.Time, p *families.Page) error {
	r, err := c.readMemory(now)
	if err != nil {
		return err
	}
	p.Set(memoryTotal, float64(r.total), nil)
	if r.availableKnown {
		p.Set(memoryAvailable, float64(r.available), nil)
		p.Set(memoryUsed, float64(r.total-r.available), nil)
	}
	return nil
}
