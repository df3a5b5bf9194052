package collector

import (
	"slices"
	"sync"
	"time"
)

// usage turns readings of ever-growing CPU times into a busy share over a
// window. CPU usage is a difference between two readings; with one shared last
// reading, two scrapers would each see an interval that the other cut short. So
// it remembers several, thinned and bounded, and compares the present one with
// the one whose age is nearest to the window. Safe for concurrent use.
type usage struct {
	window, minWindow time.Duration

	mu       sync.Mutex // guards what follows
	readings []timedCPU // oldest first
	counters [len(cpuModes)]counterState
	last     cpuUsage
	known    bool
}

type timedCPU struct {
	at      time.Time
	reading cpuReading
}

// cpuUsage is a busy share, 0–1, and the interval it was measured over.
type cpuUsage struct {
	ratio  float64
	window time.Duration
}

// counterState keeps one counter from going backwards.
type counterState struct {
	answer, offset float64
}

// began is how many seconds a counter has to step back by for it to have begun
// anew; less is the kernel's own wobble, which it makes up for soon.
const began = 10

// advance returns the counter's answer to a value that was read. A small step
// back holds the answer; after a large one it goes on from where it was.
func (c *counterState) advance(value float64) float64 {
	if c.offset+value < c.answer-began {
		c.offset = c.answer - value
	}
	c.answer = max(c.answer, c.offset+value)
	return c.answer
}

// remembered is how many readings a window is thinned to.
const remembered = 32

// observe takes a reading at now. It returns the times with none below what was
// answered before, and the busy share; known is false until there has been an
// interval of minWindow.
//
// busy = user + nice + system + irq + softirq + steal, idle = idle + iowait; each
// mode's difference is clamped at zero, since iowait and idle step back at times
// (proc_stat(5): "may decrease in certain conditions").
func (u *usage) observe(now time.Time, r cpuReading) (times cpuTimes, result cpuUsage, known bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.restarted(r) {
		u.readings, u.known = nil, false
	}
	for mode := range times {
		times[mode] = u.counters[mode].advance(r.times[mode])
	}
	if ratio, window, ok := u.since(now, r); ok {
		u.last, u.known = cpuUsage{ratio, window}, true
	}
	u.remember(now, r)
	return times, u.last, u.known
}

// restarted reports whether r cannot be compared with what is remembered:
// another set of CPUs is online, or the counters as a whole began anew (a
// container restored, a machine migrated).
func (u *usage) restarted(r cpuReading) bool {
	if len(u.readings) == 0 {
		return false
	}
	newest := u.readings[len(u.readings)-1].reading
	return newest.online != r.online || total(r.times) < total(newest.times)/2
}

// since compares r with the remembered reading nearest to a window ago. It has
// no answer for less than minWindow, nor where no tick has passed.
func (u *usage) since(now time.Time, r cpuReading) (ratio float64, window time.Duration, ok bool) {
	var nearest *timedCPU
	for i := range u.readings {
		if nearest == nil || (now.Sub(u.readings[i].at)-u.window).Abs() <= (now.Sub(nearest.at)-u.window).Abs() {
			nearest = &u.readings[i]
		}
	}
	if nearest == nil || now.Sub(nearest.at) < u.minWindow {
		return 0, 0, false
	}
	var busy, idle float64
	for mode := range r.times {
		delta := max(0, r.times[mode]-nearest.reading.times[mode])
		switch mode {
		case modeIdle, modeIowait:
			idle += delta
		case modeGuest, modeGuestNice: // inside user and nice
		default:
			busy += delta
		}
	}
	if busy+idle <= 0 {
		return 0, 0, false
	}
	return busy / (busy + idle), now.Sub(nearest.at), true
}

// remember keeps r where it is far enough from the last one kept, and forgets
// what no later reading will be compared with.
func (u *usage) remember(now time.Time, r cpuReading) {
	if n := len(u.readings); n > 0 {
		age := now.Sub(u.readings[n-1].at)
		if age < 0 { // no monotonic clock: begin anew
			u.readings = nil
		} else if age < u.window/remembered {
			return
		}
	}
	u.readings = append(u.readings, timedCPU{now, r})
	// Of two that are older than the window, the younger is the nearer for
	// ever after.
	for len(u.readings) > 1 && now.Sub(u.readings[1].at) >= u.window {
		u.readings = slices.Delete(u.readings, 0, 1)
	}
}

func total(t cpuTimes) float64 {
	var sum float64
	for mode, seconds := range t {
		if mode != modeGuest && mode != modeGuestNice {
			sum += seconds
		}
	}
	return sum
}
