package scheduler

import "cube/worker/task"

// refusal says why a node was refused: the data; the sentence goes to q.words.
func (s *State) refusal(q *query, n *node, code Code) Refusal {
	r := Refusal{Node: n.Name, Code: code}
	w := q.words
	d := q.demand
	switch code {
	case RefusedDown:
		w = w.text("not read for ").seconds(n.age(q.now).Seconds()).text("; down after ").seconds(s.cfg.DownAfter.Seconds())
	case RefusedNoReading:
		w = w.noReading(n)
	case RefusedDraining:
		w = w.text("draining: takes no new tasks")
	case RefusedStale:
		w = w.text("its reading is ").seconds(n.age(q.now).Seconds()).text(" old, stale after ").
			seconds(s.cfg.StaleAfter.Seconds()).text("; nodes with a fresh one fit")
	case RefusedConstraint:
		w = w.unmet(d.Constraints, n.Labels)
	case RefusedCpu, RefusedMemory, RefusedDisk:
		w = s.noRoom(q, n, &r, w)
	case RefusedPort:
		w = s.portTaken(d.HostPorts, n, w)
	case RefusedSpreadLimit:
		w = w.text("has ").tasks(s.names[d.Name][n]).text(" named ").quoted(d.Name).
			text("; at most ").whole(s.cfg.SpreadLimit).text(" a node")
	case RefusedByWorker, RefusedUnreachable:
		for _, excluded := range d.Excluded {
			if excluded.Node == n.Name {
				return excluded
			}
		}
	}
	q.words = w
	return r
}

func (w words) noReading(n *node) words {
	if !n.read {
		return w.text("never read")
	}
	if metric := n.lacks(); metric != "" {
		return w.text("its reading has no ").text(n.reading.name(metric))
	}
	return w.text("its reading has no ").text(n.reading.name("cube_data_disk_available_bytes")).text(" of the task data root")
}

func (w words) unmet(constraints []task.Constraint, labels map[string]string) words {
	for _, c := range constraints {
		if c.Met(labels) {
			continue
		}
		w = w.text("needs ").text(c.String())
		if value, there := labels[c.Label]; there {
			return w.text("; its ").text(c.Label).text(" is ").quoted(value)
		}
		return w.text("; it has no label ").text(c.Label)
	}
	return w
}

func (s *State) portTaken(ports []uint16, n *node, w words) words {
	for _, port := range ports {
		if s.ports[port][n] > 0 {
			return w.text("host port ").whole(int(port)).text(" is taken")
		}
	}
	return w
}

// noRoom says what of a resource was asked for, what is there, and what of it
// is promised.
func (s *State) noRoom(q *query, n *node, r *Refusal, w words) words {
	cpu, memory, disk := n.room(&n.facts.limits)
	r.Resource = string(r.Code)
	switch r.Code {
	case RefusedCpu:
		r.Asked, r.There, r.Promised = q.asked.Cpu, cores(cpu), cores(n.cpu)
		return w.text("needs ").cores(r.Asked).text("; ").cores(r.There).text(" of ").cores(cores(n.facts.limits.cpu)).
			text(" left to promise, ").tasks(len(n.live)).text(" asked for ").cores(r.Promised)
	case RefusedMemory:
		r.Asked, r.There = q.asked.Memory, float64(memory)
		available := n.facts.limits.availableMemory
		if n.facts.limits.memory-n.mem <= available-n.unused {
			r.Promised = float64(n.mem)
			return w.allocated(r, "", n.facts.limits.memory, len(n.live))
		}
		r.Promised = float64(n.unused)
		w = w.taken(r, "", available)
		if r.Promised > 0 {
			w = w.tasks(len(n.live)).text(" and not used yet")
		}
	default:
		r.Asked, r.There = q.asked.Disk, float64(disk)
		available := n.facts.limits.availableDisk
		if n.facts.limits.disk-n.disk <= available-n.fresh {
			r.Promised = float64(n.disk)
			return w.allocated(r, " of disk", n.facts.limits.disk, len(n.live))
		}
		r.Promised = float64(n.fresh)
		w = w.taken(r, " of disk", available)
		if r.Promised > 0 {
			w = w.text("tasks placed since")
		}
	}
	return w
}

// allocated says that what may be asked for is asked for.
func (w words) allocated(r *Refusal, of string, limit int64, tasks int) words {
	return w.text("needs ").bytes(r.Asked).text(of).text("; ").bytes(r.There).text(" of ").bytes(float64(limit)).
		text(" allocatable left, ").tasks(tasks).text(" asked for ").bytes(r.Promised)
}

// taken says that what is available is less, or is promised to what is to be
// named next.
func (w words) taken(r *Refusal, of string, available int64) words {
	w = w.text("needs ").bytes(r.Asked).text(of).text("; ").bytes(float64(available)).text(" available")
	if r.Promised > 0 {
		w = w.text(", of which ").bytes(r.Promised).text(" is promised to ")
	}
	return w
}
