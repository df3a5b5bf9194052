package scrape

import (
	"bytes"

	"github.com/google/uuid"

	"cube/scheduler"
)

// sameTask returns the index of the task that the series at hand is of, if the
// series in the same place under an earlier metric had the very same labels;
// else −1.
func (p *page) sameTask(braces []byte) int {
	if !p.source.onlyTasks(p.metric) || p.nth >= len(p.braces) || !bytes.Equal(p.braces[p.nth], braces) {
		return -1
	}
	return p.nth
}

// putTask stores a figure of a task: of task i, or of the one that key names
// where i is negative. It returns the task's index.
func (p *page) putTask(in *compiledInput, i int, key, braces []byte, value float64) (int, *Failure) {
	if i < 0 {
		id, err := uuid.ParseBytes(key)
		if err != nil {
			return i, fail(BadPage, "%s has a series whose label %s is %q, not a UUID", in.Metric, in.Key, excerpt(string(key)))
		}
		i = p.task(id, braces)
	}
	into := figureOf(&p.tasks[i], in.Figure)
	if scheduler.Known(*into) {
		return i, fail(BadPage, "%s is on the page twice for task %s", in.Metric, p.tasks[i].ID)
	}
	*into = value
	return i, nil
}

// figureOf is where a task's figure is kept.
func figureOf(t *scheduler.TaskReading, f Figure) *float64 {
	switch f {
	case TaskMemory:
		return &t.MemoryBytes
	case TaskStartTime:
		return &t.StartTime
	default:
		return &t.CpuSeconds
	}
}

// task returns the index of the task, which is added if need be.
func (p *page) task(id uuid.UUID, braces []byte) int {
	if i, known := p.byTask[id]; known {
		return i
	}
	i, absent := len(p.tasks), scheduler.Absent()
	p.byTask[id] = i
	p.tasks = append(p.tasks, scheduler.TaskReading{ID: id, CpuSeconds: absent, MemoryBytes: absent, StartTime: absent})
	p.braces = append(p.braces, braces)
	return i
}
