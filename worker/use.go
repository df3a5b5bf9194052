package worker

import (
	"sync"

	"cube/worker/task"
)

// useMeter sums what the tasks use. It remembers what each had used when it was
// last read, so that the sum does not fall when one ends.
type useMeter struct {
	mu    sync.Mutex // guards what follows; held while tasks are read, as one sum at a time is enough
	last  map[Key]float64
	total float64
}

// Use is what the tasks here use together: the CPU seconds of all so far, as far
// as they were read while the tasks ran, and the memory of those that run now.
// The CPU seconds never fall. What cannot be read is left out.
func (w *Worker) Use() Usage {
	m := &w.use
	m.mu.Lock()
	defer m.mu.Unlock()
	var use Usage
	read := map[Key]float64{}
	w.usages(w.runningTasks(), func(r *rostered, usage Usage, known bool) {
		before := m.last[r.key]
		read[r.key] = before
		if known && usage.CpuSeconds > before {
			m.total += usage.CpuSeconds - before
			read[r.key] = usage.CpuSeconds
		}
		if known && usage.MemoryBytes > 0 {
			use.MemoryBytes += usage.MemoryBytes
		}
	})
	m.last = read
	use.CpuSeconds = m.total
	return use
}

// runningTasks are the running tasks, by their keys alone.
func (w *Worker) runningTasks() []rostered {
	w.mu.Lock()
	defer w.mu.Unlock()
	var running []rostered
	for _, e := range w.tasks {
		if e.record != nil && !e.record.Tombstone && e.record.Task.State == task.Running {
			running = append(running, rostered{key: e.record.key()})
		}
	}
	return running
}
