package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// config is what is measured, and how.
type config struct {
	cube       string // the program; empty: built from this module
	dir        string // for the manager's state and log; empty: a temporary one
	manager    []string
	gomaxprocs int
	profile    string

	workers    int
	startDelay time.Duration

	// Of rate.
	rate     int
	duration time.Duration
	clients  int
	batch    int
	window   int
	life     time.Duration

	// Of hold.
	tasks     int
	rest      time.Duration
	lose      int
	nodeTimer time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	c := config{}
	app := kingpin.New("fleet", "Measures what a manager holds.").Terminate(nil)
	app.Flag("cube", "The cube program; by default it is built from this module.").StringVar(&c.cube)
	app.Flag("dir", "Directory for the manager's state and log, on the disk that is to be measured; by default a temporary one.").StringVar(&c.dir)
	app.Flag("manager-flag", "A further flag of the manager, such as --policy=epvm; repeatable.").StringsVar(&c.manager)
	app.Flag("gomaxprocs", "GOMAXPROCS of the manager; 0 leaves it as it ships.").IntVar(&c.gomaxprocs)
	app.Flag("profile", "Directory for profiles of the manager; none are taken without one.").StringVar(&c.profile)
	app.Flag("start-delay", "How long a worker takes from accepting a task until it runs.").Default("100ms").DurationVar(&c.startDelay)

	rate := app.Command("rate", "How many tasks a second come to run, or at a given rate, how soon.")
	rate.Flag("workers", "Simulated workers.").Default("1000").IntVar(&c.workers)
	rate.Flag("rate", "Tasks submitted a second; 0 is as many as come to run.").Default("0").IntVar(&c.rate)
	rate.Flag("duration", "How long tasks are submitted.").Default("60s").DurationVar(&c.duration)
	rate.Flag("clients", "Connections that submit, each one request after the other.").Default("128").IntVar(&c.clients)
	rate.Flag("batch", "Tasks submitted with one request.").Default("1").IntVar(&c.batch)
	rate.Flag("window", "Tasks that may be submitted and not running yet.").Default("4096").IntVar(&c.window)
	rate.Flag("life", "How long a task runs until it ends by itself.").Default("10s").DurationVar(&c.life)

	hold := app.Command("hold", "What a fleet costs at rest, and how fast it mends.")
	hold.Flag("workers", "Simulated workers.").Default("10000").IntVar(&c.workers)
	hold.Flag("tasks", "Tasks that run.").Default("100000").IntVar(&c.tasks)
	hold.Flag("clients", "Connections that submit.").Default("128").IntVar(&c.clients)
	hold.Flag("window", "Tasks that may be submitted and not running yet.").Default("4096").IntVar(&c.window)
	hold.Flag("rest", "How long the manager is watched at rest.").Default("30s").DurationVar(&c.rest)
	hold.Flag("lose", "Workers that are lost at once; 0 leaves that out.").Default("500").IntVar(&c.lose)
	hold.Flag("node-timeout", "The manager's --node.timeout.").Default("30s").DurationVar(&c.nodeTimer)

	command, err := app.Parse(args)
	if err != nil {
		return err
	}
	debug.SetGCPercent(300) // what the workers and clients take, the manager has not
	if command == hold.FullCommand() {
		return measureHold(ctx, c, out)
	}
	if c.batch < 1 || c.batch > c.window {
		return fmt.Errorf("--batch=%d: want from 1 up to the window, %d", c.batch, c.window)
	}
	return measureRate(ctx, c, out)
}
