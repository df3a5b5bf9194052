package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// measureHold measures what a fleet costs at rest, how long the manager takes to
// answer and to start again, and how soon what ran on lost workers runs again.
func measureHold(ctx context.Context, c config, out io.Writer) (err error) {
	dir, done, err := workspace(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	births := make(chan started, 1<<16)
	fleetCtx, stopFleet := context.WithCancel(ctx)
	defer stopFleet()
	f, err := newFleet(fleetCtx, c.workers, c.startDelay, births)
	if err != nil {
		return err
	}
	joining := time.Now()
	m, err := startManager(ctx, c, dir, f, "--node.timeout="+c.nodeTimer.String())
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	h := &holding{
		config: c, fleet: f, manager: m,
		load: newLoad(m, c.tasks, c.window, 1, "infinity"), one: newLoad(m, 1, 1, 1, "infinity"),
	}
	go watch(fleetCtx, births, h.load, h.one)
	h.row = func(name, format string, args ...any) {
		fmt.Fprintf(table, "| %s\t| %s\t|\n", name, fmt.Sprintf(format, args...))
	}
	h.row("workers, tasks", "%d, %d", c.workers, c.tasks)
	fmt.Fprintln(table, "|---\t|---\t|")
	h.row("all workers joined and read, s", "%.1f", time.Since(joining).Seconds())
	for _, step := range []func(context.Context) error{h.fill, h.watchRest, h.askLists, h.restart, h.loseWorkers} {
		if err = step(ctx); err != nil {
			break
		}
	}
	return errors.Join(err, table.Flush(), m.kill())
}

// holding is a run of hold.
type holding struct {
	config  config
	fleet   *fleet
	manager *manager
	load    *load
	one     *load // of one task, submitted after the restart
	row     func(name, format string, args ...any)
}

// fill submits the tasks, which run until they are stopped.
func (h *holding) fill(ctx context.Context) error {
	began := time.Now()
	if err := h.load.submit(ctx, h.config.clients, 0); err != nil {
		return err
	}
	err := h.manager.until(ctx, "all tasks run", 2*time.Minute, func(v map[string]float64) bool {
		return tasksIn(v, "running") == h.config.tasks
	})
	h.row("all tasks run after, s", "%.1f", time.Since(began).Seconds())
	return err
}

// settle is how long the manager is let alone before it is taken to be at rest:
// connections that it does not need any more are given up after half a minute.
const settle = 40 * time.Second

// watchRest measures CPU and memory while nothing happens.
func (h *holding) watchRest(ctx context.Context) error {
	if err := pause(ctx, settle); err != nil {
		return err
	}
	m := h.manager
	profiled := make(chan error, 1)
	go func() {
		profiled <- m.profile(ctx, "rest.cpu", fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(h.config.rest.Seconds()/2)))
	}()
	before, err := m.cpuTime()
	if err != nil {
		return err
	}
	otherBefore, err := cpuTime(os.Getpid())
	if err != nil {
		return err
	}
	began, most := time.Now(), 0.0
	for time.Since(began) < h.config.rest {
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		rss, err := m.memory("VmRSS")
		if err != nil {
			return err
		}
		most = max(most, rss)
	}
	took := time.Since(began)
	after, err := m.cpuTime()
	if err != nil {
		return err
	}
	otherAfter, err := cpuTime(os.Getpid())
	if err != nil {
		return err
	}
	peak, err := m.memory("VmHWM")
	if err != nil {
		return err
	}
	files, err := m.memory("RssFile")
	if err != nil {
		return err
	}
	h.row("RSS at rest, at most, MB; of that mapped files; peak while filling", "%.0f; %.0f; %.0f", most, files, peak)
	h.row("CPU at rest, cores: manager; workers", "%.3f; %.3f", (after-before).Seconds()/took.Seconds(), (otherAfter-otherBefore).Seconds()/took.Seconds())
	h.row("store, MB", "%.0f", m.storeSize())
	return errors.Join(<-profiled, m.profile(ctx, "rest.heap", "/debug/pprof/heap?gc=1"))
}

// askLists times what people and pages ask for.
func (h *holding) askLists(ctx context.Context) error {
	for _, path := range []string{
		"/tasks?limit=1000", "/tasks?node=w00042", "/tasks?state=pending", "/tasks?name=web&limit=100",
		"/tasks/" + h.load.id(h.config.tasks/2).String(), "/nodes/w00042", "/nodes", "/sd", "/metrics", "/tasks",
	} {
		var times []float64
		var size int64
		for range 5 {
			began := time.Now()
			var err error
			if size, err = h.manager.size(ctx, path); err != nil {
				return err
			}
			times = append(times, float64(time.Since(began))/float64(time.Millisecond))
		}
		slices.Sort(times)
		h.row("GET "+path+", ms: median, most; kB", "%.1f, %.1f; %.0f", times[2], times[4], float64(size)/1000)
	}
	return nil
}

// restart kills the manager, starts it again and submits a task: how long until
// a worker is asked for it.
func (h *holding) restart(ctx context.Context) error {
	if err := h.manager.kill(); err != nil {
		return err
	}
	began := time.Now()
	if err := h.manager.start(ctx); err != nil {
		return err
	}
	serving := time.Since(began)
	one := h.one
	if err := one.submit(ctx, 1, 0); err != nil {
		return err
	}
	accepted := time.Since(began)
	for one.asked[0].Load() == 0 {
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	h.row("restart after kill -9, s: serving; a task accepted; with its worker", "%.1f; %.1f; %.1f", serving.Seconds(), accepted.Seconds(),
		(one.epoch.Add(time.Duration(one.asked[0].Load()) * time.Microsecond)).Sub(began).Seconds())
	err := h.manager.until(ctx, "all workers are ready again", time.Minute, func(v map[string]float64) bool {
		return int(v[`cube_manager_nodes{state="ready"}`]) == h.config.workers && tasksIn(v, "running") == h.config.tasks+1
	})
	h.row("all workers read and compared with, s", "%.1f", time.Since(began).Seconds())
	peak, errPeak := h.manager.memory("VmHWM")
	h.row("RSS while restarting, at most, MB", "%.0f", peak)
	return errors.Join(err, errPeak, h.manager.profile(ctx, "restart.heap", "/debug/pprof/heap?gc=1"))
}

// loseWorkers lets workers fall silent and measures how long after the node
// timeout what they ran runs elsewhere.
func (h *holding) loseWorkers(ctx context.Context) error {
	if h.config.lose == 0 {
		return nil
	}
	wanted := h.fleet.running()
	for i := range h.config.lose {
		h.fleet.workers[i*len(h.fleet.workers)/h.config.lose].lost.Store(true)
	}
	began := time.Now()
	affected := wanted - h.fleet.running()
	var first time.Time
	profiled := make(chan error, 1)
	for h.fleet.running() < wanted {
		if h.fleet.running() > wanted-affected && first.IsZero() {
			first = time.Now()
			go func() { profiled <- h.manager.profile(ctx, "lose.cpu", "/debug/pprof/profile?seconds=5") }()
		}
		if time.Since(began) > h.config.nodeTimer+time.Minute {
			return fmt.Errorf("%d tasks of lost workers do not run again", wanted-h.fleet.running())
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	last := time.Now()
	// A worker's last reading came up to an interval before it was lost.
	h.row(fmt.Sprintf("loss of %d workers with %d tasks: the first runs again, the last, s after the loss", h.config.lose, affected),
		"%.1f, %.1f", first.Sub(began).Seconds(), last.Sub(began).Seconds())
	h.row("the last after the node timeout, s", "%.1f", last.Sub(began.Add(h.config.nodeTimer)).Seconds())
	return <-profiled
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
