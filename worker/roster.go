package worker

import (
	"slices"
	"sync/atomic"

	"cube/collector/families"
	"cube/worker/task"
)

// roster is the running tasks as the page shows them, in the order of their
// labels. It is not changed once it is made.
type roster struct {
	generation uint64
	running    []rostered
}

// rostered is one running task.
type rostered struct {
	key    Key
	start  float64 // Unix seconds
	labels *families.Labels
}

// rosterCache keeps the last roster. It stands for as long as the generation,
// which every change of any task moves.
type rosterCache struct{ last atomic.Pointer[roster] }

// observation is the worker's tasks at one moment.
type observation struct {
	allocated task.Resources
	states    [len(task.States)]int
	oomKills  uint64
	restarts  uint64
	roster    *roster
}

// observe looks at all tasks at once.
func (c *collector) observe() observation {
	w := c.worker
	w.mu.Lock()
	now := observation{allocated: w.promised.resources(), states: w.states, oomKills: w.oomKills, restarts: w.restarts}
	if last := c.roster.last.Load(); last != nil && last.generation == w.generation {
		w.mu.Unlock()
		now.roster = last
		return now
	}
	generation, running := w.generation, []*Record{}
	for _, e := range w.tasks {
		if e.record != nil && !e.record.Tombstone && e.record.Task.State == task.Running {
			running = append(running, e.record)
		}
	}
	w.mu.Unlock()
	now.roster = newRoster(generation, running)
	c.roster.last.Store(now.roster)
	return now
}

func newRoster(generation uint64, running []*Record) *roster {
	r := &roster{generation: generation}
	for _, record := range running {
		t := &record.Task
		r.running = append(r.running, rostered{
			key: record.key(), start: float64(t.StartTime.UnixNano()) / 1e9,
			labels: families.NewLabels(taskLabelNames, t.Name, t.ID.String()),
		})
	}
	slices.SortFunc(r.running, func(a, b rostered) int {
		return slices.Compare(a.labels.Values(), b.labels.Values())
	})
	return r
}
