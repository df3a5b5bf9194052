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
	switch code {
	case RefusedCpu:
		r.Asked, r.There, r.Promised = q.asked.Cpu, cores(cpu), cores(n.cpu)
		r.Reason = fmt.Sprintf("needs %s; %s of %s left to promise, %s asked for %s", coresText(r.Asked), coresText(r.There),
			coresText(cores(n.cpuLimit(s.cfg.OvercommitCpu))), tasksText(len(n.live)), coresText(r.Promised))
	case RefusedMemory:
		r.Asked, r.There = q.asked.Memory, float64(memory)
		available := wholeBytes(n.reading.MemoryAvailable)
		if n.memoryLimit()-n.mem <= available-n.unused {
			r.Promised = float64(n.mem)
			r.Reason = allocated(&r, "", n.memoryLimit(), len(n.live))
			return r
		}
		r.Promised = float64(n.unused)
		r.Reason = taken(&r, "", available, tasksText(len(n.live))+" and not used yet")
	case RefusedDisk:
		r.Asked, r.There = q.asked.Disk, float64(disk)
		available := wholeBytes(n.reading.DiskAvailable)
		if n.diskLimit()-n.disk <= available-n.fresh {
			r.Promised = float64(n.disk)
			r.Reason = allocated(&r, " of disk", n.diskLimit(), len(n.live))
			return r
		}
		r.Promised = float64(n.fresh)
		r.Reason = taken(&r, " of disk", available, "tasks placed since")
	}
	return r
}

// allocated says that what may be asked for is asked for.
func allocated(r *Refusal, of string, limit int64, tasks int) string {
	return fmt.Sprintf("needs %s%s; %s of %s allocatable left, %s asked for %s",
		bytesText(r.Asked), of, bytesText(r.There), bytesText(float64(limit)), tasksText(tasks), bytesText(r.Promised))
}

// taken says that what is available is not there, or is promised.
func taken(r *Refusal, of string, available int64, to string) string {
	text := fmt.Sprintf("needs %s%s; %s available", bytesText(r.Asked), of, bytesText(float64(available)))
	if r.Promised > 0 {
		text += fmt.Sprintf(", of which %s is promised to %s", bytesText(r.Promised), to)
	}
	return text
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
