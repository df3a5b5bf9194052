package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cube/worker/task"
)

// recordedPage is the page of a real worker without tasks, as it ships.
//
//go:embed testdata/worker.page
var recordedPage string

// page is the recorded page, cut where a figure is the simulated worker's own.
type page struct{ parts []part }

// part is recorded text and what follows it.
type part struct {
	text  string
	write func([]byte, *worker, time.Time) []byte
}

// Where the recorded page is cut: the series whose values are simulated, and the
// family before which those of the tasks come.
const (
	nodeSeries  = `cube_node_info{node="127.0.0.1:5990",`
	tasksFamily = "# HELP cube_task_oom_kills_total"
)

func number(v func(*worker, time.Time) float64) func([]byte, *worker, time.Time) []byte {
	return func(b []byte, w *worker, now time.Time) []byte { return strconv.AppendFloat(b, v(w, now), 'g', -1, 64) }
}

// figures are the simulated series.
func figures() map[string]func(*worker, time.Time) float64 {
	constant := func(v float64) func(*worker, time.Time) float64 {
		return func(*worker, time.Time) float64 { return v }
	}
	all := map[string]func(*worker, time.Time) float64{
		"cube_allocatable_cpu_cores":     constant(machineCpu),
		"cube_allocatable_memory_bytes":  constant(machineMemory),
		"cube_allocatable_disk_bytes":    constant(machineDisk),
		"cube_overcommit_cpu_ratio":      constant(overcommitCpu),
		"cube_cpu_cores":                 constant(machineCpu),
		"cube_memory_total_bytes":        constant(machineMemory),
		"cube_data_disk_total_bytes":     constant(machineDisk),
		"cube_data_disk_available_bytes": constant(machineDisk / 2),
		"cube_allocated_cpu_cores":       func(w *worker, _ time.Time) float64 { return max(0, w.promised.Cpu) },
		"cube_allocated_memory_bytes":    func(w *worker, _ time.Time) float64 { return float64(w.promised.Memory) },
		"cube_allocated_disk_bytes":      func(w *worker, _ time.Time) float64 { return float64(w.promised.Disk) },
		"cube_memory_available_bytes": func(w *worker, _ time.Time) float64 {
			return machineMemory - machineMemory/64 - used*float64(w.promised.Memory)
		},
		"cube_load1":            func(w *worker, _ time.Time) float64 { return used * max(0, w.promised.Cpu) },
		"cube_tasks_generation": func(w *worker, _ time.Time) float64 { return float64(w.generation) },
		"cube_time_seconds":     func(_ *worker, now time.Time) float64 { return float64(now.UnixNano()) / 1e9 },
	}
	for _, state := range task.States {
		all[fmt.Sprintf("cube_tasks{state=%q}", state)] = func(w *worker, _ time.Time) float64 { return float64(w.states[state]) }
	}
	return all
}

// used is the share of what it asked for that a task uses.
const used = 0.5

// newPage cuts the recorded page. The first reading of a worker that has just
// started has no CPU usage yet; this one has.
func newPage() (*page, error) {
	text := strings.Replace(recordedPage, "# HELP cube_data_disk_available_bytes",
		"# HELP cube_cpu_usage_ratio Busy share of all CPUs.\n# TYPE cube_cpu_usage_ratio gauge\ncube_cpu_usage_ratio 0\n"+
			"# HELP cube_cpu_usage_window_seconds Seconds that the share was measured over.\n# TYPE cube_cpu_usage_window_seconds gauge\ncube_cpu_usage_window_seconds 15\n"+
			"# HELP cube_data_disk_available_bytes", 1)
	known := figures()
	known["cube_cpu_usage_ratio"] = func(w *worker, _ time.Time) float64 {
		return min(1, 0.05+used*max(0, w.promised.Cpu)/machineCpu)
	}
	p := &page{}
	var b strings.Builder
	cut := func(write func([]byte, *worker, time.Time) []byte) {
		p.parts = append(p.parts, part{b.String(), write})
		b.Reset()
	}
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, nodeSeries); found {
			b.WriteString(`cube_node_info{node="`)
			cut(func(b []byte, w *worker, _ time.Time) []byte { return append(b, w.name...) })
			b.WriteString(`",` + rest)
			continue
		}
		if strings.HasPrefix(line, tasksFamily) {
			cut(appendTasks)
		}
		series, _, _ := strings.Cut(line, " ")
		if figure := known[series]; figure != nil {
			delete(known, series)
			b.WriteString(series + " ")
			cut(number(figure))
			b.WriteByte('\n')
			continue
		}
		b.WriteString(line)
	}
	cut(nil)
	if len(known) > 0 {
		return nil, fmt.Errorf("the recorded page lacks %d series that are simulated", len(known))
	}
	return p, nil
}

// write writes the page as it is now.
func (p *page) write(into *bytes.Buffer, w *worker) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	into.Grow(20 << 10)
	b := into.AvailableBuffer()
	for _, part := range p.parts {
		b = append(b, part.text...)
		if part.write != nil {
			b = part.write(b, w, now)
		}
	}
	into.Write(b)
}

// appendTasks writes the families of the running tasks, in the order of their IDs.
func appendTasks(b []byte, w *worker, now time.Time) []byte {
	var running []*held
	for _, h := range w.tasks {
		if h.task.State == task.Running {
			running = append(running, h)
		}
	}
	if len(running) == 0 {
		return b
	}
	slices.SortFunc(running, func(a, b *held) int { return bytes.Compare(a.task.ID[:], b.task.ID[:]) })
	family := func(name, kind, help string, value func(*held) float64) {
		b = fmt.Appendf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		for _, h := range running {
			b = append(b, name...)
			b = append(b, `{name="`...)
			b = append(b, h.task.Name...)
			b = append(b, `",task="`...)
			id, _ := h.task.ID.MarshalText() // never fails
			b = append(b, id...)
			b = append(b, `"} `...)
			b = strconv.AppendFloat(b, value(h), 'g', -1, 64)
			b = append(b, '\n')
		}
	}
	family("cube_task_cpu_seconds_total", "counter", "CPU time that the running task has used.", func(h *held) float64 {
		return used * h.task.Cpu * now.Sub(h.task.StartTime).Seconds()
	})
	family("cube_task_memory_bytes", "gauge", "Memory that the running task uses, without reclaimable file pages.", func(h *held) float64 {
		return used * float64(h.task.Memory)
	})
	family("cube_task_start_time_seconds", "gauge", "When the running task started, on the worker's clock.", func(h *held) float64 {
		return float64(h.task.StartTime.UnixNano()) / 1e9
	})
	return b
}
