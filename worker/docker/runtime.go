package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
	"github.com/prometheus/procfs"

	"cube/worker"
)

// answerTimeout is how long New waits for the engine's first answers. An
// engine that is up answers in milliseconds, one that hangs never does.
const answerTimeout = 5 * time.Second

// Config says which engine to use, and how.
type Config struct {
	// Host is the engine's address: "unix:///var/run/docker.sock",
	// "tcp://10.0.0.1:2376". Empty takes DOCKER_HOST and its relatives from
	// the environment, or else the engine's default socket.
	Host string
	// Owner separates the workers on one engine: the runtime sees the
	// containers that carry it and no others. It must outlive the worker's
	// process, and no two workers may run with the same one. Required.
	Owner string
	// CgroupParent is the cgroup that the containers' cgroups are made in.
	// Empty leaves it to the engine. Under the systemd cgroup driver it is
	// the name of a slice.
	CgroupParent string
	// PublishAddress is the host's address that ports are published on.
	// Empty leaves it to the engine: all addresses, or its "ip" option.
	PublishAddress string
	// ReadOnlyRoot mounts every container's root file system read-only.
	ReadOnlyRoot bool
	// ProcPath and SysPath are where the machine's /proc and /sys are, for
	// the containers' cgroups. Empty takes "/proc" and "/sys". What is not
	// in reach there is asked of the engine.
	ProcPath, SysPath string
	// Lost is called, and is not to block, when the engine may have gone away,
	// and at each failure to reach it from then on. Nil is not called.
	Lost func()
	// Log takes what happens to the engine and its images. Nil discards it.
	Log *slog.Logger
}

// Runtime runs tasks as containers. Its methods may be called at the same
// time; see [worker.Runtime]. Close it when it is no longer needed.
type Runtime struct {
	cfg    Config
	client *client.Client
	info   system.Info // the engine when New was called
	boot   boot        // of the engine's machine, when New was called
	log    *slog.Logger
	watch  *watcher
	claims *claims
	groups *groups
	looks  chan struct{} // bounds the inspections of those who wait
	// progress is how often a running pull says how far it is.
	progress time.Duration

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	group  sync.WaitGroup // the watcher and the streams of logs
}

var (
	_ worker.Runtime = (*Runtime)(nil)
	_ worker.Checker = (*Runtime)(nil)
	_ worker.Execer  = (*Runtime)(nil)
)

// New connects to the engine and starts to follow its events. Where none
// answers, the error is [ErrNoEngine]; ctx bounds the connecting only.
//
// Containers of the owner that were made but never started, as a crash between
// the two leaves them, are removed.
func New(ctx context.Context, cfg Config) (*Runtime, error) {
	if cfg.Owner == "" {
		return nil, errors.New("the Docker runtime needs an owner to tell its containers from those of others")
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	api, err := connect(cfg.Host)
	if err != nil {
		return nil, err
	}
	info, err := ask(ctx, api)
	if err != nil {
		return nil, errors.Join(err, api.Close())
	}
	if err := checkParent(cfg.CgroupParent, info.CgroupDriver); err != nil {
		return nil, errors.Join(err, api.Close())
	}
	warnOfLimits(ctx, log, info)

	if cfg.ProcPath == "" {
		cfg.ProcPath = procfs.DefaultMountPoint
	}
	if cfg.SysPath == "" {
		cfg.SysPath = "/sys"
	}
	r := &Runtime{
		cfg: cfg, client: api, info: info, log: log,
		boot:   thisBoot(api.DaemonHost(), cfg.ProcPath),
		claims: newClaims(),
		groups: newGroups(cfg.ProcPath, cfg.SysPath),
		looks:  make(chan struct{}, inspectsAtOnce),

		progress: progressEvery,
	}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.watch = newWatcher(api, cfg.Owner, log, func(ctx context.Context, all []container.Summary) {
		// Removals take their time; the events must not wait for them.
		r.group.Go(func() { r.sweep(ctx, all) })
	}, func(ctx context.Context, name, id string) {
		r.group.Go(func() { r.sweepMade(ctx, name, id) })
	})
	if cfg.Lost != nil {
		r.watch.gone = cfg.Lost
	}
	r.group.Go(func() { r.watch.run(r.ctx) })
	return r, nil
}

// connect makes the client; nothing is sent yet.
func connect(host string) (*client.Client, error) {
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	api, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("the Docker engine's address is not usable: %w", err)
	}
	return api, nil
}

// ask makes sure that an engine answers, and has it describe itself.
func ask(ctx context.Context, api *client.Client) (system.Info, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	switch _, err := api.Ping(ctx); {
	case client.IsErrConnectionFailed(err) && !errors.Is(err, fs.ErrPermission):
		return system.Info{}, fmt.Errorf("%w at %s", ErrNoEngine, api.DaemonHost())
	case err != nil:
		return system.Info{}, fmt.Errorf("%w at %s: %w", ErrNoEngine, api.DaemonHost(), err)
	}
	info, err := api.Info(ctx)
	if err != nil {
		return system.Info{}, fmt.Errorf("the Docker engine at %s does not describe itself: %w", api.DaemonHost(), err)
	}
	if info.OSType != "linux" {
		return system.Info{}, fmt.Errorf("the Docker engine at %s runs %s containers; want linux", api.DaemonHost(), info.OSType)
	}
	return info, nil
}

// checkParent refuses a parent that every start would fail on.
func checkParent(parent, driver string) error {
	if parent != "" && driver == "systemd" && !strings.HasSuffix(parent, ".slice") {
		return fmt.Errorf("the cgroup parent %q is not a slice, which the engine's systemd cgroup driver wants: \"cube.slice\"", parent)
	}
	return nil
}

// warnOfLimits says once what this engine cannot enforce.
func warnOfLimits(ctx context.Context, log *slog.Logger, info system.Info) {
	if !info.CPUCfsQuota {
		log.WarnContext(ctx, "the Docker engine cannot limit CPU on this kernel; tasks share it by weight only")
	}
	if !info.MemoryLimit {
		log.WarnContext(ctx, "the Docker engine cannot limit memory on this kernel; tasks are not bounded")
	} else if !info.SwapLimit {
		log.WarnContext(ctx, "the Docker engine cannot limit swap on this kernel; a task at its memory limit may swap")
	}
}

// Name is "docker".
func (r *Runtime) Name() string { return "docker" }

// Version is the engine's, for people: "20.10.24".
func (r *Runtime) Version() string { return r.info.ServerVersion }

// CgroupDriver is how the engine makes cgroups: "cgroupfs", which takes any path
// as a parent, or "systemd", which takes slices of systemd alone.
func (r *Runtime) CgroupDriver() string { return r.info.CgroupDriver }

// Close ends the event stream and all streams of logs, and waits for them. The
// containers are left as they are.
func (r *Runtime) Close() error {
	r.cancel()
	r.group.Wait()
	r.groups.close()
	return r.client.Close()
}
