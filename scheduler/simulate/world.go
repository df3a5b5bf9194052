package simulate

import (
	"container/heap"
	"context"
	"fmt"
	"time"
)

// world is one day: the machines, and what is on them.
type world struct {
	tasks    []Task
	schedule *Schedule
	machines []*machine
	history  bool // the scheduler is told the names of jobs

	runs       []*run // by arrival; nil before it is placed, and when it was not
	departures departures
	slot       int
	tally      tally
	placements int
	ends       int
}

// newWorld is a day on the fleet, or on that which belongs to the trace or to
// the schedule where it is nil.
func newWorld(t *Trace, s *Schedule, fleet []Machine) *world {
	w := &world{tasks: t.Tasks, schedule: s, runs: make([]*run, len(s.Arrivals))}
	if s.Tasks != nil {
		w.tasks = s.Tasks
	}
	switch {
	case fleet != nil:
	case s.Machines != nil:
		fleet = s.Machines
	default:
		fleet = t.Machines
	}
	for _, m := range fleet {
		w.machines = append(w.machines, newMachine(m))
	}
	w.tally.machines = w.machines
	return w
}

func (w *world) taskOf(arrival int) *Task {
	return &w.tasks[w.schedule.Arrivals[arrival].Task]
}

// nameOf returns the name that the scheduler is told of a task.
func (w *world) nameOf(t *Task) string {
	if !w.history {
		return ""
	}
	return t.Source
}

// replay lives through the day. What is due at the same instant comes in this
// order: ends, the turn of the slot, readings, arrivals.
func (w *world) replay(ctx context.Context, p placer, scrapes *rounds) error {
	for next := range w.schedule.Arrivals {
		if err := w.until(w.schedule.Arrivals[next].Arrive, p, scrapes); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.arrive(next, p); err != nil {
			return err
		}
	}
	return w.until(Day, p, scrapes)
}

// until lets everything happen that is due at an instant or before.
func (w *world) until(now time.Duration, p placer, scrapes *rounds) error {
	for {
		end, turn, read := never, time.Duration(w.slot+1)*Slot, never
		if len(w.departures) > 0 {
			end = w.departures[0].at
		}
		if p.reads() {
			read = scrapes.due()
		}
		switch due := min(end, turn, read); {
		case due > now || due == Day && due != end && due != turn:
			return nil
		case due == end:
			w.depart(p)
		case due == turn:
			w.turn()
			if w.slot == Slots {
				return nil
			}
		default:
			if err := p.read(scrapes.read()); err != nil {
				return fmt.Errorf("at %v: %w", due, err)
			}
		}
	}
}

const never = time.Duration(1<<63 - 1)

// turn closes a slot and begins the next.
func (w *world) turn() {
	end := time.Duration(w.slot+1) * Slot
	for _, m := range w.machines {
		m.advance(end)
	}
	w.tally.close(w.slot)
	w.slot++
	if w.slot == Slots {
		return
	}
	for _, m := range w.machines {
		m.turn(w.slot)
	}
}

func (w *world) arrive(arrival int, p placer) error {
	a := w.schedule.Arrivals[arrival]
	chosen := p.place(a.Arrive, arrival)
	if chosen < 0 {
		w.tally.rejected++
		return nil
	}
	t := w.taskOf(arrival)
	m := w.machines[chosen]
	if !m.fits(t) {
		return fmt.Errorf("at %v: task %d was placed on machine %d, which has no room for it", a.Arrive, a.Task, chosen)
	}
	r := &run{arrival: arrival, task: t}
	m.start(r, a.Arrive)
	w.runs[arrival] = r
	w.placements++
	heap.Push(&w.departures, departure{a.Depart, arrival})
	return nil
}

func (w *world) depart(p placer) {
	d := heap.Pop(&w.departures).(departure)
	r := w.runs[d.arrival]
	r.machine.stop(r, d.at)
	w.ends++
	p.ended(d.at, d.arrival)
}

type departure struct {
	at      time.Duration
	arrival int
}

// departures is a heap, the first to come on top.
type departures []departure

func (d departures) Len() int { return len(d) }
func (d departures) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].arrival < d[j].arrival
}
func (d departures) Swap(i, j int) { d[i], d[j] = d[j], d[i] }

// Push adds a departure: for container/heap.
func (d *departures) Push(x any) { *d = append(*d, x.(departure)) }

// Pop takes the last one: for container/heap.
func (d *departures) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}
