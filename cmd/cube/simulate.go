package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"cube/scheduler/simulate"
)

// simulateFlags are what `cube simulate` is told.
type simulateFlags struct {
	traces   []string
	policies []string
	interval time.Duration
	seeds    int
	draws    int
	phases   int
	memory   float64
	history  bool
	needed   bool
	settings []string
	resample string // a seed; "" leaves the trace's schedules
	format   string
	plot     string
}

func (c *cli) registerSimulate(app *kingpin.Application) {
	var f simulateFlags
	cmd := c.command(app, "simulate", "Compare policies on recorded load, replayed through the scheduler.",
		func(ctx context.Context) error { return c.simulate(ctx, &f) })
	cmd.Flag("trace", "Directory of a trace: tasks.csv, cpu.csv, mem.csv, nodes.csv, arrivals_NN.csv. Can be repeated.").
		Required().StringsVar(&f.traces)
	cmd.Flag("policy", "Policy to replay: "+strings.Join(simulate.Policies(), ", ")+
		", or a weighted list. Can be repeated; by default all of these. Schedulers that are told some of the future: "+
		strings.Join(simulate.Told(), ", ")+".").
		StringsVar(&f.policies)
	cmd.Flag("scrape-interval", "How often each node is read.").Default("300s").DurationVar(&f.interval)
	cmd.Flag("seeds", "How many of the trace's schedules are replayed.").Default("10").IntVar(&f.seeds)
	cmd.Flag("random-draws", "Over how many draws a schedule the random placement is averaged.").
		Default(fmt.Sprint(simulate.DefaultDraws)).IntVar(&f.draws)
	cmd.Flag("scrape-phases", "Over how many draws of the times of scrapes a schedule a policy is averaged.").
		Default("1").IntVar(&f.phases)
	cmd.Flag("memory-scale", "Give the nodes this much of their memory.").Default("1").Float64Var(&f.memory)
	cmd.Flag("job-history", "Let the scheduler have lived through the earlier days that the trace has of each task's job.").BoolVar(&f.history)
	cmd.Flag("nodes-needed", "Also find the fewest nodes with no more than 1 % of node-slots over.").BoolVar(&f.needed)
	cmd.Flag("resample", "Replay other schedules than the trace has, drawn from it by this seed: tasks drawn with replacement, "+
		"the day begun at another hour, another mixture of nodes with as much CPU, and CPU requests scaled.").
		PlaceHolder("SEED").StringVar(&f.resample)
	cmd.Flag("parameter", "Try another value of a constant of the policy measured, NAME=VALUE: "+
		strings.Join(simulate.ParameterNames(), ", ")+". Can be repeated.").PlaceHolder("NAME=VALUE").StringsVar(&f.settings)
	cmd.Flag("format", "table, json or csv.").Default("table").EnumVar(&f.format, "table", "json", "csv")
	cmd.Flag("plot", "Write a picture (SVG) to this file.").PlaceHolder("FILE").StringVar(&f.plot)
}

func (f *simulateFlags) check() error {
	switch {
	case f.interval < time.Second || f.interval > simulate.Day:
		return fmt.Errorf("--scrape-interval is %v; want %v to %v", f.interval, time.Second, simulate.Day)
	case f.seeds < 1:
		return fmt.Errorf("--seeds is %d; want 1 or more", f.seeds)
	case f.draws < 1:
		return fmt.Errorf("--random-draws is %d; want 1 or more", f.draws)
	case f.phases < 1:
		return fmt.Errorf("--scrape-phases is %d; want 1 or more", f.phases)
	case !(f.memory > 0 && f.memory <= 1000):
		return fmt.Errorf("--memory-scale is %v; want a number above 0", f.memory)
	}
	return nil
}

func (c *cli) simulate(ctx context.Context, f *simulateFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	policies := f.policies
	if len(policies) == 0 {
		policies = simulate.Policies()
	}
	var studies []*simulate.Study
	for _, dir := range f.traces {
		study, err := f.study(ctx, dir, policies)
		if err != nil {
			return err
		}
		studies = append(studies, study)
	}
	if f.plot != "" {
		if err := writePlot(f.plot, studies); err != nil {
			return err
		}
	}
	switch f.format {
	case "json":
		return printJSON(c.stdout, rowsOf(studies))
	case "csv":
		return writeRows(c.stdout, rowsOf(studies))
	}
	return c.printStudies(studies, f)
}

// study replays one trace.
func (f *simulateFlags) study(ctx context.Context, dir string, policies []string) (*simulate.Study, error) {
	trace, err := simulate.Load(os.DirFS(dir), dir)
	if err != nil {
		return nil, err
	}
	trace.Machines = simulate.ScaleMemory(trace.Machines, f.memory)
	if f.resample != "" {
		seed, err := strconv.ParseUint(f.resample, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("--resample is %q; want a number of 0 or more", f.resample)
		}
		trace = trace.Resample(seed)
	}
	parameters := simulate.DefaultParameters()
	for _, setting := range f.settings {
		if err := parameters.Set(setting); err != nil {
			return nil, fmt.Errorf("--parameter: %w", err)
		}
	}
	o := simulate.Options{
		Interval: f.interval, Draws: f.draws, Phases: f.phases, JobHistory: f.history, Parameters: &parameters,
	}
	study, err := simulate.Run(ctx, trace, policies, f.seeds, o)
	if err != nil {
		return nil, err
	}
	if f.needed {
		if err := study.FindNeeded(ctx, o); err != nil {
			return nil, err
		}
	}
	return study, nil
}

// rowsOf returns the rows of the policies that were asked for, best first as
// the table has them.
func rowsOf(studies []*simulate.Study) []simulate.Row {
	rows := []simulate.Row{}
	for _, s := range studies {
		for _, p := range s.Policies {
			rows = append(rows, s.Rows[p]...)
		}
	}
	return rows
}

// byOver returns a study's policies, the fewest node-slots over first.
func byOver(s *simulate.Study) []string {
	policies := slices.Clone(s.Policies)
	over := func(p string) float64 { return s.Figure(p, simulate.OverPercent).Mean }
	slices.SortStableFunc(policies, func(a, b string) int {
		switch x, y := over(a), over(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return policies
}
