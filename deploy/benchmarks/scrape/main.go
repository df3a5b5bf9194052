package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/alecthomas/kingpin/v2"
)

// config is what is compared, and how.
type config struct {
	cube, nodeExporter    string
	tasks                 int
	rounds, scrapes       int
	serverCPU, clientCPU  int
	gomaxprocs            int
	largeMachine          bool
	maxPlain, maxGzip     float64
	floorPlain, floorGzip string // the floor's page; set where this is the floor
	floorReads            string // the list of files that it reads; "" for none
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scrape:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	c := config{}
	app := kingpin.New("scrape", "Compares what a scrape costs.").Terminate(nil)
	app.Flag("cube", "The cube program; by default it is built from this module.").StringVar(&c.cube)
	app.Flag("node-exporter", "The node_exporter program; without one only the floor is compared with.").StringVar(&c.nodeExporter)
	app.Flag("tasks", "Tasks that the worker runs, as processes.").Default("20").IntVar(&c.tasks)
	app.Flag("rounds", "Rounds, whose medians count.").Default("15").IntVar(&c.rounds)
	app.Flag("scrapes", "Scrapes of each server in each round, and of each kind.").Default("500").IntVar(&c.scrapes)
	app.Flag("server-cpu", "The core that the servers are pinned to.").Default("0").IntVar(&c.serverCPU)
	app.Flag("client-cpu", "The core that the client is pinned to.").Default("1").IntVar(&c.clientCPU)
	app.Flag("gomaxprocs", "GOMAXPROCS of every server; 0 leaves each as it ships, the floor with 1.").IntVar(&c.gomaxprocs)
	app.Flag("large-machine", "Measure a recorded machine of 256 CPUs with 2,000 interrupts instead of this one.").BoolVar(&c.largeMachine)
	app.Flag("max-ratio", "Fail where a plain scrape takes more than this share of node_exporter's; 0 never does.").Float64Var(&c.maxPlain)
	app.Flag("max-ratio-gzip", "The same with gzip.").Float64Var(&c.maxGzip)
	app.Flag("floor-plain", "Serve this file as the floor (used by the program itself).").Hidden().StringVar(&c.floorPlain)
	app.Flag("floor-gzip", "The same page with gzip.").Hidden().StringVar(&c.floorGzip)
	app.Flag("floor-reads", "A list of files that the floor is to read at each scrape.").Hidden().StringVar(&c.floorReads)
	if _, err := app.Parse(args); err != nil {
		return err
	}
	if c.floorPlain != "" {
		return serveFloor(ctx, c)
	}
	return compare(ctx, c, out)
}
