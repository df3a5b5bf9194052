package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"golang.org/x/sync/errgroup"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/scheduler/scrape"
	"cube/worker"
	"cube/worker/docker"
	"cube/worker/process"
	"cube/worker/wire"
)

// runtimeAuto takes Docker where an engine answers, processes elsewhere.
const runtimeAuto = "auto"

// devFlags is what cube dev is told.
type devFlags struct {
	managerAddress string
	workerAddress  string
	workers        int
	dataDir        string
	runtime        string
	policy         string
}

func (c *cli) registerDev(app *kingpin.Application) {
	f := &devFlags{}
	cmd := c.command(app, "dev", "A manager and workers on this machine, for a first look; Ctrl-C ends them and their tasks.", func(ctx context.Context) error {
		return c.dev(ctx, f)
	})
	cmd.Flag("web.listen-address", "Address of the manager.").Default("127.0.0.1:5555").StringVar(&f.managerAddress)
	cmd.Flag("worker.listen-address", "Address of the first worker; the others take the ports after it.").Default("127.0.0.1:5556").StringVar(&f.workerAddress)
	cmd.Flag("workers", "How many workers share this machine's capacity.").Default("1").IntVar(&f.workers)
	cmd.Flag("data-dir", "Directory for the state; by default a temporary one that is removed at the end.").StringVar(&f.dataDir)
	cmd.Flag("runtime", "What tasks are: docker, process, or auto: docker where an engine answers.").
		Default(runtimeAuto).EnumVar(&f.runtime, runtimeAuto, runtimeDocker, runtimeProcess)
	cmd.Flag("policy", "How to choose among the nodes that fit: "+strings.Join(policy.Names(), ", ")+".").
		Default(policy.Default).StringVar(&f.policy)
}

func (c *cli) dev(ctx context.Context, f *devFlags) (err error) {
	if f.workers < 1 {
		return fmt.Errorf("--workers %d: want 1 or more", f.workers)
	}
	if c.logConfig.Level.String() == "info" {
		// What runs where is printed below, for people.
		if err := c.logConfig.Level.Set("warn"); err != nil {
			return err
		}
	}
	if f.dataDir == "" {
		if f.dataDir, err = os.MkdirTemp("", "cube-dev-*"); err != nil {
			return fmt.Errorf("no temporary directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(f.dataDir)) }()
	}
	d := &dev{flags: f, log: c.logger()}
	d.runtime, d.why = chooseRuntime(ctx, f.runtime)
	if err := d.open(ctx); err != nil {
		return errors.Join(err, d.close())
	}
	return errors.Join(d.run(ctx, func() { fmt.Fprint(c.stdout, d.greeting()) }), d.close())
}

// chooseRuntime returns the runtime to use and, as half a sentence, why.
func chooseRuntime(ctx context.Context, wanted string) (name, why string) {
	if wanted != runtimeAuto {
		return wanted, "as asked for"
	}
	probe, err := docker.New(ctx, docker.Config{Owner: "cube-dev-probe"})
	if err != nil {
		return runtimeProcess, err.Error()
	}
	if err := probe.Close(); err != nil {
		return runtimeProcess, err.Error()
	}
	return runtimeDocker, "a Docker engine answers; --runtime=process runs processes"
}

// dev is a manager and workers in one process, that talk over HTTP as if they
// were apart.
type dev struct {
	flags        *devFlags
	runtime, why string
	shares       string // how several workers share the machine; a sentence
	slices       []*process.Slice
	manager      *runningManager
	workers      []*runningWorker
	log          *slog.Logger
}

func (d *dev) open(ctx context.Context) (err error) {
	d.manager, err = openManager(ctx, &managerFlags{
		web:     webFlags{addresses: []string{d.flags.managerAddress}, telemetryPath: "/metrics"},
		dataDir: filepath.Join(d.flags.dataDir, "manager"), policy: d.flags.policy,
		scrapeInterval: scrape.DefaultInterval, staleAfter: scheduler.DefaultStaleAfter, nodeTimeout: scheduler.DefaultDownAfter,
	}, d.log)
	if err != nil {
		return err
	}
	flags := make([]*workerFlags, d.flags.workers)
	for i := range flags {
		if flags[i], err = d.workerFlags(i); err != nil {
			return err
		}
	}
	if d.shares, err = d.shareOut(ctx, flags); err != nil {
		return err
	}
	for _, f := range flags {
		w, err := openWorker(ctx, f, d.log)
		if err != nil {
			return err
		}
		d.workers = append(d.workers, w)
		if w.fault != nil {
			return w.fault
		}
	}
	return nil
}

func (d *dev) workerFlags(i int) (*workerFlags, error) {
	host, portText, err := net.SplitHostPort(d.flags.workerAddress)
	if err != nil {
		return nil, fmt.Errorf("--worker.listen-address %s: want host:port", d.flags.workerAddress)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("--worker.listen-address %s: want host:port", d.flags.workerAddress)
	}
	if port != 0 {
		port += uint64(i)
	}
	return &workerFlags{
		web:       webFlags{addresses: []string{net.JoinHostPort(host, strconv.FormatUint(port, 10))}, telemetryPath: "/metrics"},
		collector: defaultCollectorFlags(),
		dataDir:   filepath.Join(d.flags.dataDir, fmt.Sprintf("worker-%d", i+1)),
		runtime:   d.runtime, needToken: true,
		join: d.manager.endpoint.url.String(), overcommitCPU: worker.DefaultOvercommitCpu,
	}, nil
}

// run serves until ctx ends; ready is called once the workers can be given
// tasks. Then the tasks are stopped, while all are still there to see it, and
// then the rest.
func (d *dev) run(ctx context.Context, ready func()) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, serving := errgroup.WithContext(serving)
	group.Go(func() error { return d.manager.Run(serving) })
	for _, w := range d.workers {
		group.Go(func() error { return w.Run(serving) })
	}
	group.Go(func() error {
		d.awaitNodes(ctx)
		ready()
		return nil
	})
	group.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
		case <-serving.Done(): // one of them failed
		}
		return d.stopTasks()
	})
	return group.Wait()
}

// stopTasks stops all tasks of all workers and waits for them.
func (d *dev) stopTasks() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopAllTimeout)
	defer cancel()
	group := errgroup.Group{}
	for _, w := range d.workers {
		group.Go(func() error { return w.worker.StopAll(ctx) })
	}
	return group.Wait()
}

// readyWithin bounds the wait for the workers' first readings; without them the
// greeting is as true, and says less.
const readyWithin = 3 * time.Second

// awaitNodes waits until every worker has joined and been read.
func (d *dev) awaitNodes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ready := 0
		for n := range d.manager.manager.Nodes() {
			if n.State == wire.NodeReady {
				ready++
			}
		}
		if ready >= len(d.workers) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// close removes what the ended tasks left with their runtimes, and closes all.
func (d *dev) close() error {
	var errs []error
	for _, w := range d.workers {
		errs = append(errs, w.removeRuns(), w.Close())
	}
	if d.manager != nil {
		errs = append(errs, d.manager.Close())
	}
	return errors.Join(append(errs, removeSlices(d.slices))...)
}

// removeRuns removes the ended runs of the runtime: their containers and output.
func (w *runningWorker) removeRuns() error {
	if w.runtime == nil {
		return nil
	}
	r := w.runtime
	ctx, cancel := context.WithTimeout(context.Background(), stopAllTimeout)
	defer cancel()
	runs, err := r.List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, run := range runs {
		errs = append(errs, r.Stop(ctx, run.Key, 0), r.Remove(ctx, run.Key))
	}
	return errors.Join(errs...)
}

// greeting says what runs where, and what to try.
func (d *dev) greeting() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Cube is serving. Ctrl-C ends it, and every task with it.\n\n")
	fmt.Fprintf(&text, "  manager   %s   a page to look at, /metrics, /sd\n", d.manager.endpoint.url)
	for i, w := range d.workers {
		fmt.Fprintf(&text, "  worker %d  %s   /metrics, /stats\n", i+1, w.endpoint.url)
	}
	kind, example := "containers", "--image=alpine --name=hello -- sh -c 'echo hello; sleep 300'"
	if d.runtime == runtimeProcess {
		kind, example = "processes", "--name=hello --memory=64MiB -- sh -c 'echo hello; sleep 300'"
	}
	fmt.Fprintf(&text, "\nTasks run as %s: %s.\n", kind, d.why)
	if d.shares != "" {
		fmt.Fprintln(&text, d.shares)
	}
	fmt.Fprintf(&text, "\nTry, in another terminal:\n\n")
	cube, manager := d.self(), ""
	if url := d.manager.endpoint.url.String(); url != defaultManager {
		manager = " --manager=" + url
	}
	fmt.Fprintf(&text, "  %s run%s %s\n", cube, manager, example)
	fmt.Fprintf(&text, "  %s nodes%s\n", cube, manager)
	fmt.Fprintf(&text, "  %s explain%s hello\n", cube, manager)
	return text.String()
}

// self is how a person calls this program again.
func (d *dev) self() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/cube"
	}
	return os.Args[0]
}
