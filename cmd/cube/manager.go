package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"golang.org/x/sync/errgroup"

	"cube/scheduler"
	"cube/scheduler/api"
	"cube/scheduler/bolt"
	"cube/scheduler/manager"
	"cube/scheduler/policy"
	"cube/scheduler/scrape"
	"cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// storeTimeout is how long a store that another process has open is waited for.
const storeTimeout = 2 * time.Second

// managerFlags is what a manager is told.
type managerFlags struct {
	web            webFlags
	dataDir        string
	workers        []string
	workersFile    string
	workerHTTP     string
	policy         string
	scrapeInterval time.Duration
	scrapeTimeout  time.Duration
	maxBody        task.Bytes
	maxSamples     int
	staleAfter     time.Duration
	nodeTimeout    time.Duration
	spreadLimit    int
}

func (c *cli) registerManager(app *kingpin.Application) {
	f := &managerFlags{}
	cmd := c.command(app, "manager", "Scrape workers, place tasks on them, keep them running.", func(ctx context.Context) error {
		return c.manager(ctx, f)
	})
	f.web.add(cmd, "127.0.0.1:5555")
	cmd.Flag("data-dir", "Directory for the manager's state.").Default(defaultDataDir("manager")).StringVar(&f.dataDir)
	cmd.Flag("worker", "A worker's URL; repeatable. Workers can join by themselves too. With URL,source=node_exporter it is measured by the node_exporter on its port 9100; metrics-url= and data-root= say where else.").StringsVar(&f.workers)
	cmd.Flag("workers.file", "File with workers, in the form of Prometheus' file_sd; watched.").StringVar(&f.workersFile)
	addHTTPConfigFlag(cmd, "worker.http-config.file", "the workers, for scraping and for tasks", &f.workerHTTP)
	f.addPlacement(cmd)
}

func (f *managerFlags) addPlacement(cmd *kingpin.CmdClause) {
	cmd.Flag("policy", "How to choose among the nodes that fit: "+strings.Join(policy.Names(), ", ")+".").
		Default(policy.Default).StringVar(&f.policy)
	cmd.Flag("scrape.interval", "How often each worker is read.").
		Default(scrape.DefaultInterval.String()).DurationVar(&f.scrapeInterval)
	cmd.Flag("scrape.timeout", "How long reading a worker may take; 0 is 0.8 of the interval.").Default("0s").DurationVar(&f.scrapeTimeout)
	cmd.Flag("scrape.body-size-limit", "Most bytes of a metrics page, unpacked; a longer one is a failed reading.").
		Default(task.Bytes(scrape.DefaultMaxBody).String()).SetValue(sizeValue{&f.maxBody})
	cmd.Flag("scrape.sample-limit", "Most samples on a metrics page; one with more is a failed reading.").
		Default(strconv.Itoa(scrape.DefaultMaxSamples)).IntVar(&f.maxSamples)
	cmd.Flag("node.stale-after", "Age from which on a reading is no longer trusted.").
		Default(scheduler.DefaultStaleAfter.String()).DurationVar(&f.staleAfter)
	cmd.Flag("node.timeout", "Age from which on a node is down, and its tasks are placed anew.").
		Default(scheduler.DefaultDownAfter.String()).DurationVar(&f.nodeTimeout)
	cmd.Flag("spread-limit", "Most tasks of one name on a node; 0 is no limit.").Default("0").IntVar(&f.spreadLimit)
}

func (c *cli) manager(ctx context.Context, f *managerFlags) error {
	log := c.logger()
	m, err := openManager(ctx, f, log)
	if err != nil {
		return err
	}
	log.Info("manager is serving", "url", m.endpoint.url, "metrics", m.endpoint.metricsURL(), "data", f.dataDir, "policy", f.policy)
	return errors.Join(m.Run(ctx), m.Close())
}

// runningManager is a manager with all that it stands on.
type runningManager struct {
	flags    *managerFlags
	endpoint *endpoint
	store    *bolt.Store
	manager  *manager.Manager
	metrics  http.Handler
	log      *slog.Logger
}

// openManager opens the store and the sockets; nothing moves before Run.
func openManager(ctx context.Context, f *managerFlags, log *slog.Logger) (*runningManager, error) {
	if err := makeDataDir(f.dataDir); err != nil {
		return nil, err
	}
	store, err := bolt.Open(filepath.Join(f.dataDir, "manager.db"), storeTimeout)
	if err != nil {
		return nil, err
	}
	m := &runningManager{flags: f, store: store, log: log}
	if err := m.open(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *runningManager) open(ctx context.Context) error {
	config, err := m.config(ctx)
	if err != nil {
		return err
	}
	if m.manager, err = manager.New(config); err != nil {
		return err
	}
	if m.metrics, err = m.flags.web.metricsHandler(m.log, m.manager.Collector()); err != nil {
		return err
	}
	m.endpoint, err = m.flags.web.open(m.log, true)
	return err
}

func (m *runningManager) config(ctx context.Context) (manager.Config, error) {
	f := m.flags
	chosen, err := policy.New(f.policy)
	if err != nil {
		return manager.Config{}, err
	}
	httpConfig, err := httpClientConfig(f.workerHTTP)
	if err != nil {
		return manager.Config{}, err
	}
	scraping, err := scrape.NewClient(ctx, httpConfig)
	if err != nil {
		return manager.Config{}, err
	}
	// The same way to the workers, and the write token of one on this machine.
	dispatching := &http.Client{Transport: withToken(scraping.Transport, &httpConfig, ""), CheckRedirect: scraping.CheckRedirect}
	workers, err := workersOf(f.workers)
	if err != nil {
		return manager.Config{}, err
	}
	return manager.Config{
		Store: m.store,
		Scheduler: scheduler.Config{
			Policy: chosen, StaleAfter: f.staleAfter, DownAfter: f.nodeTimeout, SpreadLimit: f.spreadLimit,
		},
		NewWorker: func(baseURL string) (manager.Worker, error) { return client.New(baseURL, dispatching) },
		NewScraper: func(now func() scheduler.Instant, sink func(scrape.Result)) (manager.Scraper, error) {
			return scrape.New(scrape.Config{
				Client: scraping, Interval: f.scrapeInterval, Timeout: f.scrapeTimeout,
				MaxBody: int64(f.maxBody), MaxSamples: f.maxSamples, Now: now, Sink: sink, Log: m.log,
			})
		},
		Log: m.log, Workers: workers, WorkersFile: f.workersFile,
	}, nil
}

// workersOf reads the workers given by flags: URLs, or addresses, each with
// where it is measured if not by itself.
func workersOf(texts []string) ([]wire.Join, error) {
	workers := make([]wire.Join, len(texts))
	for i, text := range texts {
		var err error
		if workers[i], err = workerOf(text); err != nil {
			return nil, err
		}
	}
	return workers, nil
}

// workerOf reads URL[,source=…][,metrics-url=…][,data-root=…].
func workerOf(flag string) (wire.Join, error) {
	text, options, measured := strings.Cut(flag, ",")
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return wire.Join{}, fmt.Errorf("--worker %s: want http://host:port", text)
	}
	join := wire.Join{URL: text}
	if !measured {
		return join, nil
	}
	join.Metrics = &wire.MetricsFrom{}
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "source":
			join.Metrics.Source = value
		case "metrics-url":
			join.Metrics.URL = value
		case "data-root":
			join.Metrics.DataRoot = value
		default:
			return wire.Join{}, fmt.Errorf("--worker %s: %q is no option of a worker; want source=, metrics-url= or data-root=", flag, option)
		}
	}
	return join, nil
}

// Run serves and places until ctx ends.
func (m *runningManager) Run(ctx context.Context) error {
	handler := api.New(api.Config{Manager: m.manager, Log: m.log})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.manager.Run(ctx) })
	group.Go(func() error { return boundGarbage(ctx) })
	group.Go(func() error { return m.endpoint.Serve(ctx, &m.flags.web, handler, m.metrics) })
	return group.Wait()
}

// Close closes what is open.
func (m *runningManager) Close() error {
	var errs []error
	if m.endpoint != nil {
		errs = append(errs, m.endpoint.Close())
	}
	return errors.Join(append(errs, m.store.Close())...)
}
