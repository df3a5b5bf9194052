package scheduler

// other is the CPU use of a node that no measured task accounts for: what else
// runs there, and tasks that the worker does not measure.
type other struct {
	smooth  moments // cores
	now     float64 // cores, at the last reading
	unknown bool    // some of it is of tasks
}

// The remainder is averaged over a minute or a few readings: a task's use and
// the node's are not over the same span, so that at any one reading they do not
// quite match.
const (
	otherTau      = 60 // seconds
	otherReadings = 3
)

// account splits the measured use into that of measured tasks and the rest.
func (n *node) account(since Instant) {
	rest := n.reading.CpuUsage*n.reading.CpuCores - cores(n.leaving)
	n.other.unknown = false
	for _, t := range n.live {
		overlap := n.overlap(t)
		if Known(t.meter.mean) {
			rest -= t.meter.last * overlap
		} else if overlap > 0 {
			n.other.unknown = true
		}
	}
	n.other.now = rest
	if !n.other.unknown {
		n.other.smooth.add(rest, since, max(otherTau, otherReadings*since.Seconds()))
	}
	n.rest = n.other.cores()
}

// cores returns the remainder. While tasks are in it, it follows at once.
func (o *other) cores() float64 {
	if o.unknown {
		return max(0, o.now)
	}
	return max(0, o.smooth.mean)
}
