package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"cube/worker/task"
)

// aim is what a start by the worker may take beside the bare one and the writes to
// disk that it waits for, p50.
const aim = 5 * time.Millisecond

// row is one line of the table of latencies.
type row struct {
	name, what string
	times      []time.Duration
}

// quantile sorts the row.
func (r *row) quantile(q float64) time.Duration {
	slices.Sort(r.times)
	return r.times[int(q*float64(len(r.times)-1))]
}

// latencies are the rows, each with a time of every turn.
type latencies struct {
	told, bare, disk   row // what is timed
	command            row // docker run, for Docker
	accepted, run, say row // the parts of told
	added, own         row // told less bare; less the disk, too
}

func newLatencies() *latencies {
	return &latencies{
		told:     row{name: "cube", what: "from the request until the worker says that the task runs"},
		accepted: row{name: "accepted", what: "of which: until it says that the task is its own, on disk"},
		run:      row{name: "started", what: "of which: from there until the task runs"},
		say:      row{name: "told", what: "of which: from there until the client knows"},
		bare:     row{name: "bare", what: "a bare start"},
		command:  row{name: "docker run", what: "the same by the docker command"},
		disk:     row{name: "disk", what: "the writes of a start by themselves"},
		added:    row{name: "added", what: "cube less bare"},
		own:      row{name: "own", what: "cube less bare less disk"},
	}
}

// latency times single starts, in turns.
func latency(ctx context.Context, c config, cube *worker, bare []way, dir string, out io.Writer) error {
	const rest = 100 * time.Millisecond // between two starts, as between two tasks that arrive
	tick := time.NewTicker(rest)
	defer tick.Stop()
	disk, err := newDisk(dir, c.runtime == "process")
	if err != nil {
		return err
	}
	l := newLatencies()
	turns := []func(context.Context) error{
		func(ctx context.Context) error { return l.startByCube(ctx, cube) },
		func(ctx context.Context) error { return l.bare.start(ctx, bare[0]) },
		func(context.Context) error { return l.write(disk) },
	}
	if len(bare) > 1 {
		turns = append(turns, func(ctx context.Context) error { return l.command.start(ctx, bare[1]) })
	}
	for range c.pairs {
		for _, turn := range turns {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return errors.Join(ctx.Err(), disk.close())
			}
			if err := turn(ctx); err != nil {
				return errors.Join(err, disk.close())
			}
		}
		l.subtract()
	}
	l.print(c, out)
	return disk.close()
}

func (l *latencies) startByCube(ctx context.Context, cube *worker) error {
	began := time.Now()
	accepted, t, err := cube.startOne(ctx)
	if err != nil {
		return err
	}
	told := time.Now()
	l.told.times = append(l.told.times, told.Sub(began))
	l.accepted.times = append(l.accepted.times, accepted.Sub(began))
	// The worker goes on while its answer is on the way.
	l.run.times = append(l.run.times, max(0, t.StartTime.Sub(accepted)))
	l.say.times = append(l.say.times, told.Sub(later(t.StartTime, accepted)))
	return cube.clear()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// start times a start that is not by the worker.
func (r *row) start(ctx context.Context, way starter) error {
	began := time.Now()
	if err := way.start(ctx, 1); err != nil {
		return err
	}
	r.times = append(r.times, time.Since(began))
	return way.clear()
}

func (l *latencies) write(disk *disk) error {
	began := time.Now()
	err := disk.write()
	l.disk.times = append(l.disk.times, time.Since(began))
	return err
}

// subtract takes the last turn's times from one another.
func (l *latencies) subtract() {
	i := len(l.told.times) - 1
	added := l.told.times[i] - l.bare.times[i]
	l.added.times = append(l.added.times, added)
	l.own.times = append(l.own.times, added-l.disk.times[i])
}

func (l *latencies) print(c config, out io.Writer) {
	fmt.Fprintf(out, "one start of a %s task, %d turns\n%10s  %10s  %10s  %10s\n", c.runtime, c.pairs, "", "p50", "p90", "p99")
	for _, r := range []*row{&l.told, &l.accepted, &l.run, &l.say, &l.bare, &l.command, &l.added, &l.disk, &l.own} {
		if len(r.times) == 0 {
			continue
		}
		fmt.Fprintf(out, "%10s", r.name)
		for _, q := range []float64{0.5, 0.9, 0.99} {
			fmt.Fprintf(out, "  %7.2f ms", r.quantile(q).Seconds()*1e3)
		}
		fmt.Fprintf(out, "  %s\n", r.what)
	}
	met := "met"
	if l.own.quantile(0.5) > aim {
		met = "not met"
	}
	fmt.Fprintf(out, "the aim, at most %v of its own, p50, is %s\n", aim, met)
}

// startOne starts one task, and returns when it was accepted, and the task once it
// runs.
func (w *worker) startOne(ctx context.Context) (accepted time.Time, t *task.Task, err error) {
	if err := w.submit(ctx); err != nil {
		return accepted, nil, err
	}
	accepted = time.Now()
	if err := w.await(ctx, task.Running); err != nil {
		return accepted, nil, err
	}
	return accepted, w.last, nil
}
