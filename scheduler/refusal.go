package scheduler

import (
	"fmt"
	"strconv"

	"cube/worker/task"
)

// refusal says why a node was refused: the data, and the sentence.
func (s *State) refusal(q *query, n *node, code Code) Refusal {
	r := Refusal{Node: n.Name, Code: code}
	d := q.demand
	switch code {
	case RefusedDown:
		r.Reason = fmt.Sprintf("not read for %s; down after %s", seconds(n.age(q.now).Seconds()), seconds(s.cfg.DownAfter.Seconds()))
	case RefusedNoReading:
		r.Reason = noReading(n)
	case RefusedDraining:
		r.Reason = "draining: takes no new tasks"
	case RefusedStale:
		r.Reason = fmt.Sprintf("its reading is %s old, stale after %s; nodes with a fresh one fit",
			seconds(n.age(q.now).Seconds()), seconds(s.cfg.StaleAfter.Seconds()))
	case RefusedConstraint:
		r.Reason = unmet(d.Constraints, n.Labels)
	case RefusedCpu, RefusedMemory, RefusedDisk:
		r = s.noRoom(q, n, code)
	case RefusedPort:
		r.Reason = s.portTaken(d.HostPorts, n)
	case RefusedSpreadLimit:
		r.Reason = fmt.Sprintf("has %s named %q; at most %d a node", tasksText(s.names[d.Name][n]), d.Name, s.cfg.SpreadLimit)
	case RefusedByWorker, RefusedUnreachable:
		for _, excluded := range d.Excluded {
			if excluded.Node == n.Name {
				r = excluded
			}
		}
	}
	return r
}

func noReading(n *node) string {
	if !n.read {
		return "never read"
	}
	if metric := n.lacks(); metric != "" {
		return "its reading has no " + metric
	}
	return "its reading has no cube_disk_available_bytes of the task data root"
}

func unmet(constraints []task.Constraint, labels map[string]string) string {
	for _, c := range constraints {
		if c.Met(labels) {
			continue
		}
		if value, there := labels[c.Label]; there {
			return fmt.Sprintf("needs %s; its %s is %q", c, c.Label, value)
		}
		return fmt.Sprintf("needs %s; it has no label %s", c, c.Label)
	}
	return ""
}

func (s *State) portTaken(ports []uint16, n *node) string {
	for _, port := range ports {
		if s.ports[port][n] > 0 {
			return fmt.Sprintf("host port %d is taken", port)
		}
	}
	return ""
}

// noRoom says what of a resource was asked for, what is there, and what of it
// is promised.
func (s *State) noRoom(q *query, n *node, code Code) Refusal {
	cpu, memory, disk := n.room(s.cfg.OvercommitCpu)
	r := Refusal{Node: n.Name, Code: code, Resource: string(code)}
	tasks := tasksText(len(n.live))
	switch code {
	case RefusedCpu:
		r.Asked, r.There, r.Promised = q.asked.Cpu, cores(cpu), cores(n.cpu)
		r.Reason = fmt.Sprintf("needs %s; %s of %s left to promise, %s asked for %s",
			coresText(r.Asked), coresText(r.There), coresText(cores(n.cpuLimit(s.cfg.OvercommitCpu))), tasks, coresText(r.Promised))
	case RefusedMemory:
		byAllocation := n.memoryLimit() - n.mem
		r.Asked, r.There = q.asked.Memory, float64(memory)
		if byAllocation <= wholeBytes(n.reading.MemoryAvailable)-n.unused {
			r.Promised = float64(n.mem)
			r.Reason = fmt.Sprintf("needs %s; %s of %s allocatable left, %s asked for %s",
				bytesText(r.Asked), bytesText(r.There), bytesText(float64(n.memoryLimit())), tasks, bytesText(r.Promised))
			return r
		}
		r.Promised = float64(n.unused)
		r.Reason = fmt.Sprintf("needs %s; %s available, of which %s is promised to %s and not used yet",
			bytesText(r.Asked), bytesText(n.reading.MemoryAvailable), bytesText(r.Promised), tasks)
	case RefusedDisk:
		r.Asked, r.There = q.asked.Disk, float64(disk)
		if n.diskLimit()-n.disk <= wholeBytes(n.reading.DiskAvailable)-n.fresh {
			r.Promised = float64(n.disk)
			r.Reason = fmt.Sprintf("needs %s of disk; %s of %s allocatable left, %s asked for %s",
				bytesText(r.Asked), bytesText(r.There), bytesText(float64(n.diskLimit())), tasks, bytesText(r.Promised))
			return r
		}
		r.Promised = float64(n.fresh)
		r.Reason = fmt.Sprintf("needs %s of disk; %s available, of which %s is promised to tasks placed since",
			bytesText(r.Asked), bytesText(n.reading.DiskAvailable), bytesText(r.Promised))
	}
	return r
}

func bytesText(v float64) string { return task.Bytes(v).String() }

func coresText(v float64) string {
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if text == "1" {
		return "1 core"
	}
	return text + " cores"
}

func seconds(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) + " s" }

func tasksText(n int) string {
	if n == 1 {
		return "1 task"
	}
	return strconv.Itoa(n) + " tasks"
}
