package main

import (
	"context"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

	"cube/scheduler/simulate"
)

// bench is what came of all settings, the present constants first.
type bench struct {
	settings []string
	traces   []*replayed
}

// replayed is one trace under all settings.
type replayed struct {
	trace          *simulate.Trace
	schedules      []simulate.Schedule
	random, oracle []simulate.Row
	rows           [][]simulate.Row // by setting, or by policy (ours first), and schedule
}

// replayAll replays every trace under every setting, on all cores.
func replayAll(ctx context.Context, c *config) (*bench, error) {
	b := &bench{}
	if len(c.peers) == 0 {
		b.settings = append(b.settings, "") // the constants as they are
		b.settings = append(b.settings, c.tries...)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, dir := range c.traces {
		trace, err := simulate.Load(os.DirFS(dir), dir)
		if err != nil {
			return nil, err
		}
		t := &replayed{trace: trace, schedules: schedules(trace, c)}
		b.traces = append(b.traces, t)
		o := simulate.Options{Interval: c.interval, Draws: c.draws, Phases: c.phases}
		t.random = t.replay(ctx, group, simulate.Random, o)
		t.oracle = t.replay(ctx, group, simulate.Oracle, o)
		for _, peer := range c.peers {
			t.rows = append(t.rows, t.replay(ctx, group, peer, o))
		}
		for _, setting := range b.settings {
			p := simulate.DefaultParameters()
			if setting != "" {
				if err := p.Set(setting); err != nil {
					return nil, err
				}
			}
			o.Parameters = &p
			t.rows = append(t.rows, t.replay(ctx, group, ours, o))
		}
	}
	return b, group.Wait()
}

// schedules are the trace's, or as many drawn from it by each seed.
func schedules(t *simulate.Trace, c *config) []simulate.Schedule {
	n := min(c.seeds, len(t.Schedules))
	if len(c.resample) == 0 {
		return t.Schedules[:n]
	}
	var all []simulate.Schedule
	for _, seed := range c.resample {
		all = append(all, t.Resample(seed).Schedules[:n]...)
	}
	return all
}

// replay lets the group fill in a row a schedule.
func (t *replayed) replay(ctx context.Context, group *errgroup.Group, policy string, o simulate.Options) []simulate.Row {
	rows := make([]simulate.Row, len(t.schedules))
	for i := range rows {
		group.Go(func() error {
			out, err := simulate.Replay(ctx, t.trace, &t.schedules[i], policy, o)
			if err == nil {
				rows[i] = out.Row
			}
			return err
		})
	}
	return rows
}

// gap is the gap closed under a setting on one schedule, in percent; the gap of
// a schedule in which the references are alike is taken to be closed.
func (t *replayed) gap(setting, schedule int) float64 {
	random, oracle := t.random[schedule].Over, t.oracle[schedule].Over
	if random == oracle {
		return 100
	}
	return 100 * (random - t.rows[setting][schedule].Over) / (random - oracle)
}
