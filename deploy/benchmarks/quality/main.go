package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"cube/scheduler/simulate"
)

// config is what is replayed, and how.
type config struct {
	traces   []string
	interval time.Duration
	seeds    int
	phases   int
	draws    int
	tries    []string
	peers    []string // compared with, in place of settings
	factor   float64
	resample []uint64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quality:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var c config
	app := kingpin.New("quality", "Tries other constants of the policy measured on recorded load.").Terminate(nil)
	app.Flag("trace", "Directory of a trace. Can be repeated.").Required().StringsVar(&c.traces)
	app.Flag("scrape-interval", "How often each node is read.").Default("300s").DurationVar(&c.interval)
	app.Flag("seeds", "How many of a trace's schedules are replayed.").Default("10").IntVar(&c.seeds)
	app.Flag("scrape-phases", "Over how many draws of the times of scrapes a schedule is averaged.").Default("3").IntVar(&c.phases)
	app.Flag("random-draws", "Over how many draws a schedule the random placement is averaged.").
		Default(fmt.Sprint(simulate.DefaultDraws)).IntVar(&c.draws)
	app.Flag("resample", "Resample the schedules by this seed, see cube simulate. Can be repeated: then all of these.").Uint64ListVar(&c.resample)
	sensitivity := app.Command("sensitivity", "Change each constant, and only that.")
	sensitivity.Flag("factor", "Divide and multiply each by this.").Default("2").Float64Var(&c.factor)
	cross := app.Command("cross", "Choose on some schedules, judge on others.")
	cross.Flag("try", "A setting beside the present one, as in changed=0.6,horizon=3600. Can be repeated.").
		Required().StringsVar(&c.tries)
	others := app.Command("peers", "Compare with the other policies, schedule by schedule.")
	command, err := app.Parse(args)
	if err != nil {
		return err
	}
	switch command {
	case sensitivity.FullCommand():
		c.tries = around(c.factor)
	case others.FullCommand():
		c.peers = append([]string{ours}, peers()...)
	}
	b, err := replayAll(ctx, &c)
	if err != nil {
		return err
	}
	if command == others.FullCommand() {
		return b.printPeers(out)
	}
	if err := b.print(out); err != nil || command == sensitivity.FullCommand() {
		return err
	}
	return b.cross(out)
}

// around are the settings in which one constant is divided or multiplied.
func around(factor float64) []string {
	base := simulate.DefaultParameters()
	var settings []string
	for _, name := range simulate.ParameterNames() {
		value, _ := base.Get(name)
		settings = append(settings, fmt.Sprintf("%s=%g", name, value/factor), fmt.Sprintf("%s=%g", name, value*factor))
	}
	return settings
}
