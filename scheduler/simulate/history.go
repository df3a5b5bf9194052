package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cube/scheduler"
)

// With [Options.JobHistory] the scheduler has lived through the days before: it
// has read what the same job used on up to historyDays earlier days of the
// record, each task's history under a name of its own. A task of a job's
// Wednesday is foreseen by its Monday and Tuesday, and never by its Thursday,
// though all of them may run on one day of the replay. (What tasks with the same
// request use in the mean is learned from all that was remembered.)
const (
	historyDays = 4
	// historyRead is how often those days were read.
	historyRead = 900 * time.Second
	// historyBegins is when they were, all at once, on a machine of their own.
	historyBegins = -2 * Day
	historyNode   = "history"
)

// past is one earlier day of a task's job, under the task's name.
type past struct {
	name string
	task *Task
}

// pasts returns the earlier days of the jobs of all tasks that come.
func (w *world) pasts() []past {
	days := make(map[string][]dated)
	for i := range w.tasks {
		job, day := jobOf(w.tasks[i].Source)
		days[job] = append(days[job], dated{day, &w.tasks[i]})
	}
	for _, of := range days {
		slices.SortStableFunc(of, func(a, b dated) int { return cmp.Compare(a.day, b.day) })
	}
	var all []past
	known := make(map[string]bool)
	for arrival := range w.schedule.Arrivals {
		t := w.taskOf(arrival)
		job, day := jobOf(t.Source)
		if known[t.Source] {
			continue
		}
		known[t.Source] = true
		before := days[job]
		before = before[:slices.IndexFunc(before, func(d dated) bool { return d.day >= day })]
		for _, d := range before[max(0, len(before)-historyDays):] {
			all = append(all, past{t.Source, d.task})
		}
	}
	return all
}

type dated struct {
	day  int
	task *Task
}

// remember lets the state live through the days before.
func (p *byState) remember(all []past) error {
	p.state.SetNode(scheduler.Node{Name: historyNode})
	defer p.state.RemoveNode(historyNode)
	reading := historyReading()
	for i, one := range all {
		d := demandOf(one.task)
		d.Task, d.Name = historyID(i), one.name
		err := p.state.Place(scheduler.Placement{Demand: d, Node: historyNode, At: instant(historyBegins), StartTime: clock(historyBegins)})
		if err != nil {
			return fmt.Errorf("remembering %s: %w", one.task.Source, err)
		}
		reading.Tasks = append(reading.Tasks, scheduler.TaskReading{
			ID: d.Task, MemoryBytes: scheduler.Absent(), StartTime: clock(historyBegins),
		})
	}
	for since := historyRead; since <= Day; since += historyRead {
		for i, one := range all {
			for s := slotOf(since - historyRead); s < int(since/Slot); s++ {
				reading.Tasks[i].CpuSeconds += float64(one.task.CpuUse[s]) / milli * Slot.Seconds()
			}
		}
		reading.At, reading.Clock = instant(historyBegins+since), clock(historyBegins+since)
		if err := p.state.Observe(reading); err != nil {
			return fmt.Errorf("remembering the days before: %w", err)
		}
	}
	return nil
}

// historyReading says nothing of its machine.
func historyReading() scheduler.Reading {
	none := scheduler.Absent()
	return scheduler.Reading{
		Node: historyNode, CpuUsage: none, CpuWindow: none, CpuCores: none, MemoryTotal: none, MemoryAvailable: none,
		DiskTotal: none, DiskAvailable: none, Load1: none, AllocatableCpu: none, AllocatableMemory: none,
		AllocatableDisk: none, OvercommitCpu: none, TasksGeneration: none,
	}
}

// jobOf returns the name of a task's job and the day that the record is of: a
// source is the job with a leading folder of digits or a trailing d and digits
// for the day; one without has none, and is a job that was never seen before.
func jobOf(source string) (job string, day int) {
	if date, rest, is := strings.Cut(source, "/"); is && digits(date) {
		day, _ = strconv.Atoi(date)
		return rest, day
	}
	if at := strings.LastIndexByte(source, 'd'); at > 0 && digits(source[at+1:]) {
		day, _ = strconv.Atoi(source[at+1:])
		return source[:at], day
	}
	return source, 0
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
