package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"cube/collector"
	"cube/worker"
	"cube/worker/api"
	"cube/worker/bolt"
	"cube/worker/task"
	"cube/worker/wire"
)

// workerFlags is what a worker is told.
type workerFlags struct {
	web           webFlags
	collector     collectorFlags
	dataDir       string
	runtime       string
	dockerHost    string
	publish       string
	readOnlyRoot  bool
	cgroupParent  string
	join          string
	managerHTTP   string
	advertiseURL  string
	nodeName      string
	labels        map[string]string
	reserve       task.Resources
	capacity      task.Resources
	overcommitCPU float64
	drain         bool
	gomaxprocs    int
	needToken     bool // for writes, whatever the runtime
	share         bool // measure the sum of the tasks, within the capacity
}

func (c *cli) registerWorker(app *kingpin.Application) {
	f := &workerFlags{labels: map[string]string{}}
	cmd := c.command(app, "worker", "Measure this machine, export it as metrics, run tasks on it.", func(ctx context.Context) error {
		// Waking a second core for a scrape takes a quarter more CPU than
		// staying on one, and what a worker does is short.
		runtime.GOMAXPROCS(f.gomaxprocs)
		return c.worker(ctx, f)
	})
	f.web.add(cmd, defaultWorkerAddress())
	f.collector.add(cmd)
	cmd.Flag("data-dir", "Directory for the worker's state.").Default(defaultDataDir("worker")).StringVar(&f.dataDir)
	cmd.Flag("runtime", "What tasks are: docker (containers) or process.").Default(runtimeDocker).EnumVar(&f.runtime, runtimeDocker, runtimeProcess)
	cmd.Flag("docker.host", "The Docker Engine's address; by default as the docker command has it.").StringVar(&f.dockerHost)
	cmd.Flag("docker.publish-address", "The machine's address that containers' ports are published on; by default as the engine has it.").
		StringVar(&f.publish)
	cmd.Flag("docker.read-only-root", "Mount the root file system of every container read-only.").BoolVar(&f.readOnlyRoot)
	cmd.Flag("cgroup-parent", "Cgroup that the tasks' cgroups are made in.").StringVar(&f.cgroupParent)
	cmd.Flag("join", "A manager's URL, to make this worker known there.").StringVar(&f.join)
	addHTTPConfigFlag(cmd, "manager.http-config.file", "the manager to join", &f.managerHTTP)
	cmd.Flag("advertise-url", "URL that the manager reaches this worker by; by default that of the first listen address.").StringVar(&f.advertiseURL)
	cmd.Flag("node.name", "Name of this node; by default host:port of the URL it is reached by.").StringVar(&f.nodeName)
	cmd.Flag("node.label", "Label of this node as key=value, for constraints; repeatable.").StringMapVar(&f.labels)
	f.addResources(cmd)
	cmd.Flag("runtime.gomaxprocs", "CPUs that the worker itself uses at the same time (GOMAXPROCS).").
		Envar("GOMAXPROCS").Default("1").IntVar(&f.gomaxprocs)
	cmd.Flag("drain", "Stop all tasks when the worker is stopped; by default they go on and are picked up again.").BoolVar(&f.drain)
}

func (f *workerFlags) addResources(cmd *kingpin.CmdClause) {
	cmd.Flag("reserve.cpu", "Cores kept back from tasks.").Float64Var(&f.reserve.Cpu)
	cmd.Flag("reserve.memory", "Memory kept back from tasks: 512MiB.").SetValue(sizeValue{&f.reserve.Memory})
	cmd.Flag("reserve.disk", "Disk kept back from tasks: 10GiB.").SetValue(sizeValue{&f.reserve.Disk})
	cmd.Flag("capacity.cpu", "Cores there are for Cube, where it is less than the machine has.").Float64Var(&f.capacity.Cpu)
	cmd.Flag("capacity.memory", "Memory there is for Cube.").SetValue(sizeValue{&f.capacity.Memory})
	cmd.Flag("capacity.disk", "Disk there is for Cube.").SetValue(sizeValue{&f.capacity.Disk})
	cmd.Flag("overcommit.cpu", "CPU requests may total this many times the allocatable cores.").
		Default(fmt.Sprint(worker.DefaultOvercommitCpu)).Float64Var(&f.overcommitCPU)
}

// defaultWorkerAddress is the book's way to say where a worker listens:
// CUBE_HOST and CUBE_PORT.
func defaultWorkerAddress() string {
	host, port := os.Getenv("CUBE_HOST"), os.Getenv("CUBE_PORT")
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "5556"
	}
	return net.JoinHostPort(host, port)
}

func (c *cli) worker(ctx context.Context, f *workerFlags) error {
	log := c.logger()
	w, err := openWorker(ctx, f, log)
	if err != nil {
		return err
	}
	if w.fault != nil {
		log.Error("worker takes no tasks, it only measures", "err", w.fault)
	}
	log.Info("worker is serving", "url", w.endpoint.url, "metrics", w.endpoint.metricsURL(), "data", f.dataDir, "runtime", f.runtime)
	return errors.Join(w.Run(ctx), w.Close())
}

// runningWorker is a worker with all that it stands on.
type runningWorker struct {
	flags     *workerFlags
	endpoint  *endpoint
	collector *collector.Collector
	runtime   worker.Runtime
	store     *bolt.Store
	worker    *worker.Worker
	fault     error // why there is no worker, and only the machine is served
	metrics   http.Handler
	joiner    *joiner
	log       *slog.Logger
}

// openWorker opens what the worker stands on; nothing moves before Run.
func openWorker(ctx context.Context, f *workerFlags, log *slog.Logger) (*runningWorker, error) {
	if err := makeDataDir(f.dataDir); err != nil {
		return nil, err
	}
	w := &runningWorker{flags: f, log: log}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *runningWorker) open(ctx context.Context) (err error) {
	f := w.flags
	w.store, err = bolt.Open(filepath.Join(f.dataDir, "worker.db"), storeTimeout)
	if errors.Is(err, bolt.ErrUnusable) {
		w.fault = err
	} else if err != nil {
		return err
	}
	if w.collector, err = f.collector.open(f, w.share(), w.log); err != nil {
		return err
	}
	if w.fault == nil {
		err = w.openTasks(ctx)
	}
	if errors.Is(err, unix.ENOSPC) {
		w.fault, err = err, nil
	}
	if err != nil {
		return err
	}
	// A local user must not become root by posting a command.
	if w.endpoint, err = f.web.open(w.log, f.needToken || f.runtime == runtimeProcess); err != nil {
		return err
	}
	return w.prepare()
}

// openTasks opens what runs tasks.
func (w *runningWorker) openTasks(ctx context.Context) (err error) {
	f := w.flags
	if w.runtime, err = openRuntime(ctx, f, w.log); err != nil {
		return err
	}
	w.worker, err = worker.New(ctx, worker.Config{
		Runtime: w.runtime, Store: w.store, Capacity: w.capacity, CapacityOverride: f.capacity, Reserve: f.reserve,
		OvercommitCpu: f.overcommitCPU, Free: f.freeDisk, Log: w.log,
	})
	return err
}

// prepare makes what needs to know where the worker can be reached.
func (w *runningWorker) prepare() (err error) {
	f := w.flags
	url, name, err := f.advertised(w.endpoint.url)
	if err != nil {
		return err
	}
	page := workerPage{machine: measured{w.collector}, who: nodeInfo(name, f.runtime)}
	if w.worker != nil {
		page.tasks = w.worker.Collector()
	}
	w.metrics, err = f.web.workerPage(w.log, page)
	// A worker that takes no tasks does not ask a manager for any.
	if err != nil || f.join == "" || w.fault != nil {
		return err
	}
	// The first reading of the CPU; usage is known a least window later.
	if _, err := w.collector.Stats(); err != nil {
		w.log.Warn("the machine cannot be measured", "err", err)
	}
	self := wire.Join{URL: url, Name: name, Labels: f.labels}
	w.joiner, err = newJoiner(f.join, f.managerHTTP, self, collector.DefaultMinWindow, w.log)
	return err
}

// advertised is the URL that others reach the worker by, and its name.
func (f *workerFlags) advertised(own *url.URL) (base, name string, err error) {
	reached := own
	if f.advertiseURL != "" {
		if reached, err = url.Parse(f.advertiseURL); err != nil || reached.Host == "" {
			return "", "", fmt.Errorf("--advertise-url %s: want http://host:port", f.advertiseURL)
		}
	}
	if f.nodeName != "" {
		return reached.String(), f.nodeName, nil
	}
	return reached.String(), reached.Host, nil
}

// measured is the collector as a page's machine.
type measured struct{ *collector.Collector }

// Narrow implements measuredMachine.
func (m measured) Narrow(collect, exclude []string) (prometheus.TransactionalGatherer, error) {
	return m.Select(collect, exclude)
}

// capacity is what the collector says the machine has.
func (w *runningWorker) capacity() (task.Resources, error) {
	c, err := w.collector.Capacity()
	if err != nil {
		return task.Resources{}, err
	}
	return task.Resources{Cpu: c.Cores, Memory: task.Bytes(c.Memory), Disk: task.Bytes(c.Disk)}, nil
}

// freeDisk is what is left of the file system with the data directory: nothing,
// where no file can be made on it any more.
func (f *workerFlags) freeDisk() (task.Bytes, error) {
	var system unix.Statfs_t
	if err := unix.Statfs(f.dataDir, &system); err != nil {
		return 0, fmt.Errorf("%s: %w", f.dataDir, err)
	}
	if system.Files > 0 && system.Ffree == 0 {
		return 0, nil
	}
	return task.Bytes(system.Bavail) * task.Bytes(system.Bsize), nil
}

// share is what is measured in place of a scope, or nil.
func (w *runningWorker) share() *collector.Share {
	if !w.flags.share {
		return nil
	}
	return &collector.Share{
		Cores: w.flags.capacity.Cpu, Memory: float64(w.flags.capacity.Memory),
		Use: func() (cpuSeconds, memory float64, err error) {
			if w.worker == nil { // nothing runs yet, or ever
				return 0, 0, nil
			}
			use := w.worker.Use()
			return use.CpuSeconds, use.MemoryBytes, nil
		},
	}
}

// stats is the answer of /stats.
func (w *runningWorker) stats() (any, error) {
	stats, err := w.collector.Stats()
	if err != nil {
		return nil, err
	}
	if w.worker == nil {
		return stats, nil
	}
	stats.TaskCount = len(w.worker.Tasks(worker.Filter{States: []task.State{task.Running}}))
	return stats, nil
}

// ready returns nil where tasks can be taken, or why they cannot.
func (w *runningWorker) ready() error {
	if w.worker == nil {
		return w.fault
	}
	return w.worker.Ready()
}

// stopAllTimeout bounds the end of all tasks: their graces, and a little.
const stopAllTimeout = 2 * time.Minute

// Run serves and runs tasks until ctx ends. With drain it then stops the tasks
// and waits for them; otherwise they go on without it.
func (w *runningWorker) Run(ctx context.Context) error {
	landing, err := w.flags.web.landingPage()
	if err != nil {
		return err
	}
	handler := http.NewServeMux()
	handler.Handle("/", api.New(api.Config{Worker: w.worker, Fault: w.fault, Stats: w.stats, Log: w.log}))
	handler.Handle("GET /{$}", landing)
	w.endpoint.health.Check = w.ready
	// The worker outlives the signal where it has to stop its tasks first.
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	group, ctx := errgroup.WithContext(ctx)
	if w.worker != nil {
		group.Go(func() error { return w.worker.Run(working) })
	}
	group.Go(func() error { return w.endpoint.Serve(ctx, &w.flags.web, handler, w.metrics) })
	if w.joiner != nil {
		group.Go(func() error { return w.joiner.Run(ctx) })
	}
	group.Go(func() error {
		<-ctx.Done()
		defer stopWorking()
		if !w.flags.drain || w.worker == nil {
			return nil
		}
		stopping, cancel := context.WithTimeout(working, stopAllTimeout)
		defer cancel()
		return w.worker.StopAll(stopping)
	})
	return group.Wait()
}

// Close closes what is open, in the order that undoes open.
func (w *runningWorker) Close() error {
	var errs []error
	if w.endpoint != nil {
		errs = append(errs, w.endpoint.Close())
	}
	if w.runtime != nil {
		errs = append(errs, w.runtime.Close())
	}
	if w.collector != nil {
		errs = append(errs, w.collector.Close())
	}
	if w.store != nil {
		errs = append(errs, w.store.Close())
	}
	return errors.Join(errs...)
}
