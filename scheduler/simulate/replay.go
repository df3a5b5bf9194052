package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// The references that a replay can be placed by, beside the policies.
const (
	Random = "random" // by chance: the mean of several draws
	Oracle = "oracle" // told each task's future
)

// DefaultDraws is over how many draws a schedule's chance is averaged.
const DefaultDraws = 40

// Options say how a trace is replayed.
type Options struct {
	// Interval is how often each machine is read.
	Interval time.Duration
	// Draws is over how many draws [Random] is averaged.
	Draws int
	// Phases is over how many draws of the times at which machines are read
	// a policy that reads is averaged: a replay is chaotic, and its figures
	// depend on them. 0 is 1.
	Phases int
	// Machines replace those of the trace or of the schedule; nil leaves those.
	Machines []Machine
	// JobHistory lets the scheduler have lived through earlier days of the
	// tasks' jobs (history.go).
	JobHistory bool
	// Parameters are tried in place of the constants that the manager goes
	// by; nil leaves those.
	Parameters *Parameters
}

// Policies are the scheduler's policies and the references. [Replay] knows
// those of [Told] too.
func Policies() []string {
	names := append(policy.Names(), Oracle)
	for _, r := range readingPolicies() {
		names = append(names, r.Name)
	}
	return names
}

// Outcome is a replay's row, and the share of its CPU that each machine was
// asked for in each slot: Use[slot][machine].
type Outcome struct {
	Row
	Use [][]float64
}

// Replay replays one schedule of a trace under a policy.
func Replay(ctx context.Context, t *Trace, s *Schedule, name string, o Options) (*Outcome, error) {
	out, err := replayPolicy(ctx, t, s, name, &o)
	if err != nil {
		return nil, fmt.Errorf("replaying %s, schedule %d, under %s: %w", t.Name, s.Seed, name, err)
	}
	out.Trace, out.Policy, out.ScrapeInterval, out.Seed = t.Name, name, o.Interval.Seconds(), s.Seed
	return out, nil
}

func replayPolicy(ctx context.Context, t *Trace, s *Schedule, name string, o *Options) (*Outcome, error) {
	switch name {
	case Random:
		return replayRandom(ctx, t, s, o)
	case Oracle:
		w := o.world(t, s)
		return w.outcome(ctx, newOracle(w), nil)
	case ToldSoon, ToldRest, ToldRunning, ToldUse:
		w := o.world(t, s)
		return w.outcome(ctx, newTold(w, name), nil)
	}
	p, err := policyOf(name)
	if err != nil {
		return nil, err
	}
	return averaged(o.Phases, func(n int) (*Outcome, error) {
		w := o.world(t, s)
		placer, err := newByState(w, p, o)
		if err != nil {
			return nil, err
		}
		out, err := w.outcome(ctx, placer, newRounds(w.machines, o.Interval, chance(s, -n)))
		if err == nil {
			err = placer.err
		}
		return out, err
	})
}

func (o *Options) world(t *Trace, s *Schedule) *world {
	w := newWorld(t, s, o.Machines)
	w.history = o.JobHistory
	return w
}

// chance is the source of a schedule's draws: from the 1st on of places, from
// the 0th down of scrape phases.
func chance(s *Schedule, n int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(s.Seed), uint64(n)))
}

func policyOf(name string) (scheduler.Policy, error) {
	for _, r := range readingPolicies() {
		if r.Name == name {
			return r, nil
		}
	}
	return policy.New(name)
}

// outcome replays the day under a placer.
func (w *world) outcome(ctx context.Context, p placer, scrapes *rounds) (*Outcome, error) {
	if err := w.replay(ctx, p, scrapes); err != nil {
		return nil, err
	}
	return &Outcome{Row: w.tally.row(), Use: slices.Collect(slices.Chunk(w.tally.use, len(w.machines)))}, nil
}

// replayRandom averages over draws.
func replayRandom(ctx context.Context, t *Trace, s *Schedule, o *Options) (*Outcome, error) {
	return averaged(o.Draws, func(n int) (*Outcome, error) {
		w := o.world(t, s)
		return w.outcome(ctx, &byChance{world: w, chance: chance(s, n+1)}, nil)
	})
}

// averaged is the mean over replays; the use is that of the first.
func averaged(replays int, replay func(n int) (*Outcome, error)) (*Outcome, error) {
	var mean *Outcome
	replays = max(1, replays)
	for n := range replays {
		one, err := replay(n)
		if err != nil {
			return nil, err
		}
		if mean == nil {
			mean = &Outcome{Use: one.Use}
		}
		mean.add(&one.Row, 1/float64(replays))
	}
	return mean, nil
}

// add adds a part of another row's figures.
func (r *Row) add(o *Row, part float64) {
	r.Over += part * o.Over
	r.Unserved += part * o.Unserved
	r.P99 += part * o.P99
	r.CV += part * o.CV
	r.Rejected += part * o.Rejected
	r.NodesUsed += part * o.NodesUsed
	r.MemoryOver += part * o.MemoryOver
}
