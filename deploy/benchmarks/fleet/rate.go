package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// sample is the state of things at one moment of a run.
type sample struct {
	at             time.Time
	begun          int
	manager, other time.Duration // CPU time
	commits, spent float64       // transactions, and the seconds that they took
}

func (m *manager) sample(ctx context.Context) (sample, error) {
	values, err := m.metrics(ctx)
	if err != nil {
		return sample{}, err
	}
	s := sample{
		at: time.Now(), begun: begun(values),
		commits: values["cube_store_commit_duration_seconds_count"], spent: values["cube_store_commit_duration_seconds_sum"],
	}
	var errManager, errOther error
	s.manager, errManager = m.cpuTime()
	s.other, errOther = cpuTime(os.Getpid())
	return s, errors.Join(errManager, errOther)
}

// workspace is the directory that a run works in, and how to be rid of it.
func workspace(c config) (dir string, done func() error, err error) {
	if c.dir != "" {
		return c.dir, func() error { return nil }, os.MkdirAll(c.dir, 0o700)
	}
	dir, err = os.MkdirTemp("", "cube-fleet-*")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

// measureRate measures how many tasks a second come to run.
func measureRate(ctx context.Context, c config, out io.Writer) (err error) {
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
	m, err := startManager(ctx, c, dir, f)
	if err != nil {
		return err
	}
	most := 20_000 * int(c.duration/time.Second)
	if c.rate > 0 {
		most = c.rate * int(c.duration/time.Second)
	}
	l := newLoad(m, most, c.window, c.batch, strconv.FormatFloat(c.life.Seconds(), 'f', -1, 64))
	go watch(fleetCtx, births, l)
	samples, err := runLoad(ctx, c, m, l)
	if err != nil {
		return errors.Join(err, m.kill())
	}
	if err := printRate(c, m, l, f, samples, out); err != nil {
		return errors.Join(err, m.kill())
	}
	return errors.Join(checkAccepted(ctx, m, l, f, out), m.kill())
}

// startManager starts the manager and waits until it has read every worker.
func startManager(ctx context.Context, c config, dir string, f *fleet, flags ...string) (*manager, error) {
	if err := f.writeTargets(dir + "/workers.json"); err != nil {
		return nil, err
	}
	m, err := newManager(ctx, c, dir, flags...)
	if err != nil {
		return nil, err
	}
	if err := m.start(ctx); err != nil {
		return nil, err
	}
	err = m.until(ctx, "all workers are ready", 2*time.Minute, func(v map[string]float64) bool {
		return int(v[`cube_manager_nodes{state="ready"}`]) == c.workers
	})
	if err != nil {
		return nil, errors.Join(err, m.kill())
	}
	return m, nil
}

// runLoad submits for as long as the run lasts and takes a sample each second,
// then waits until everything that was accepted has come to run.
func runLoad(ctx context.Context, c config, m *manager, l *load) ([]sample, error) {
	first, err := m.sample(ctx)
	if err != nil {
		return nil, err
	}
	samples := []sample{first}
	submitCtx, cancel := context.WithTimeout(ctx, c.duration)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.submit(submitCtx, c.clients, c.rate) }()
	profiled := make(chan error, 1)
	go func() {
		profiled <- m.profile(ctx, "rate.cpu", fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(c.duration.Seconds()/2)))
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-tick.C:
			s, err := m.sample(ctx)
			if err != nil {
				return nil, err
			}
			samples = append(samples, s)
		}
	}
	if err = errors.Join(err, <-profiled); err != nil {
		return nil, err
	}
	err = m.until(ctx, "all accepted tasks have come to run", 2*time.Minute, func(v map[string]float64) bool {
		return begun(v) >= int(l.acknowledged.Load())
	})
	last, errLast := m.sample(ctx)
	return append(samples, last), errors.Join(err, errLast, m.profile(ctx, "rate.heap", "/debug/pprof/heap"))
}

// printRate writes the table of a run.
func printRate(c config, m *manager, l *load, f *fleet, samples []sample, out io.Writer) error {
	first, last := samples[0], samples[len(samples)-1]
	tasks := float64(last.begun - first.begun)
	peak, err := m.memory("VmHWM")
	if err != nil {
		return err
	}
	perTask := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / tasks }
	waits, answers := l.waits(), l.answers()
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "| %s\t| %s\t|\n", name, fmt.Sprintf(format, args...))
	}
	row("workers, rate asked for, tasks a request", "%d, %d/s, %d", c.workers, c.rate, c.batch)
	fmt.Fprintln(table, "|---\t|---\t|")
	row("tasks accepted and run, by the manager's records", "%.0f in %.1f s", tasks, last.at.Sub(first.at).Seconds())
	row("tasks a second come to run, over all of that time", "%.0f", tasks/last.at.Sub(first.at).Seconds())
	row("slowest 10 s", "%.0f", slowest(samples, 10*time.Second))
	row("201 after, ms: p50, p99, most", "%.1f, %.1f, %.1f", quantile(answers, 0.5), quantile(answers, 0.99), quantile(answers, 1))
	row("with its worker after the 201, ms: p50, p99, most", "%.1f, %.1f, %.1f", quantile(waits, 0.5), quantile(waits, 0.99), quantile(waits, 1))
	row("CPU a task, µs: manager; workers and clients", "%.0f; %.0f", perTask(last.manager-first.manager), perTask(last.other-first.other))
	row("transactions a second, ms each", "%.0f, %.1f", (last.commits-first.commits)/last.at.Sub(first.at).Seconds(), 1000*(last.spent-first.spent)/(last.commits-first.commits))
	row("memory of the manager at most, MB; its store, MB", "%.0f; %.0f", peak, m.storeSize())
	row("tasks that ended by themselves meanwhile", "%d", f.ended.Load())
	return table.Flush()
}

// slowest is the least rate over any stretch of the given length.
func slowest(samples []sample, stretch time.Duration) float64 {
	least := 0.0
	for i, from := range samples {
		j := slices.IndexFunc(samples[i:], func(s sample) bool { return s.at.Sub(from.at) >= stretch })
		if j < 0 {
			break
		}
		to := samples[i+j]
		if rate := float64(to.begun-from.begun) / to.at.Sub(from.at).Seconds(); i == 0 || rate < least {
			least = rate
		}
	}
	return least
}

// checkAccepted kills the manager, starts it again and looks for every task that
// was accepted.
func checkAccepted(ctx context.Context, m *manager, l *load, f *fleet, out io.Writer) error {
	if err := m.kill(); err != nil {
		return err
	}
	if err := m.start(ctx); err != nil {
		return err
	}
	found, states := 0, map[string]int{}
	err := m.all(ctx, func(id, state string) {
		if l.holds(id) {
			found++
			states[state]++
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "after kill -9: %d of %d accepted tasks are there, %v; %d were begun, %d of them twice\n",
		found, l.acknowledged.Load(), states, f.started.Load(), f.doubled.Load())
	if found != int(l.acknowledged.Load()) {
		return errors.New("accepted tasks are lost")
	}
	return nil
}
