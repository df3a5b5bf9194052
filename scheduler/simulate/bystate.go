package simulate

import (
	"fmt"
	"time"

	"cube/scheduler"
	"cube/worker/task"
)

// byState places as the manager does: by a [scheduler.State] and its policy.
type byState struct {
	world *world
	state *scheduler.State
	index map[string]int // of a machine, by name
	seed  uint64
	err   error
}

func newByState(w *world, policy scheduler.Policy, o *Options) (*byState, error) {
	// Stale after three intervals and down after twelve, as the defaults
	// are of the manager's interval.
	cfg := scheduler.Config{Policy: policy, StaleAfter: 3 * o.Interval, DownAfter: 12 * o.Interval}
	if o.Parameters != nil {
		if err := o.Parameters.apply(&cfg); err != nil {
			return nil, err
		}
	}
	state, err := scheduler.NewState(cfg)
	if err != nil {
		return nil, err
	}
	p := &byState{world: w, state: state, index: make(map[string]int, len(w.machines)), seed: uint64(w.schedule.Seed)}
	for i := range w.machines {
		p.index[nodeName(i)] = i
		state.SetNode(scheduler.Node{Name: nodeName(i)})
	}
	if w.history {
		if err := p.remember(w.pasts()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *byState) reads() bool                     { return true }
func (p *byState) read(r *scheduler.Reading) error { return p.state.Observe(*r) }

// demand is all that the scheduler is told of an arrival.
func (p *byState) demand(arrival int) scheduler.Demand {
	t := p.world.taskOf(arrival)
	d := demandOf(t)
	d.Task, d.Name = taskID(arrival), p.world.nameOf(t)
	return d
}

// demandOf is what a task asks for.
func demandOf(t *Task) scheduler.Demand {
	return scheduler.Demand{Requests: task.Resources{Cpu: float64(t.Cpu) / milli, Memory: t.Memory}}
}

func (p *byState) place(now time.Duration, arrival int) int {
	d := p.demand(arrival)
	made := p.state.Decide(instant(now), d, p.seed)
	if made.Node() == "" {
		return -1
	}
	err := p.state.Place(scheduler.Placement{Demand: d, Node: made.Node(), At: instant(now), StartTime: clock(now)})
	if err != nil {
		p.err = fmt.Errorf("placing arrival %d: %w", arrival, err)
		return -1
	}
	return p.index[made.Node()]
}

func (p *byState) ended(now time.Duration, arrival int) {
	err := p.state.Remove(taskID(arrival), scheduler.End{At: instant(now), FinishTime: clock(now)})
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("ending arrival %d: %w", arrival, err)
	}
}
