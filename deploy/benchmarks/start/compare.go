package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// starter starts tasks that do nothing, one way or the other.
type starter interface {
	// start starts n at once and returns once all run.
	start(ctx context.Context, n int) error
	// clear ends all and returns once they have.
	clear() error
}

// compare times both ways and prints the tables.
func compare(ctx context.Context, c config, dir string, out io.Writer) (err error) {
	var bare starter = &processes{}
	image := ""
	if c.runtime == "docker" {
		if image, err = importImage(ctx, dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, docker(context.WithoutCancel(ctx), "rmi", image)) }()
		bare = &containers{image: image}
	}
	cube, err := startWorker(ctx, c, dir, image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cube.stop()) }()
	if err := latency(ctx, c, cube, bare, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%8s  %-6s  %12s  %14s\n", "tasks", "by", "all run", "memory a task")
	for _, n := range c.sizes {
		for _, way := range []struct {
			name string
			starter
		}{{"cube", cube}, {"bare", bare}} {
			took, memory, err := crowd(ctx, way.starter, n)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%8d  %-6s  %12v  %11.2f MiB\n", n, way.name, took.Round(100*time.Microsecond), memory/(1<<20))
		}
	}
	return nil
}

// latency times single starts, in turns.
func latency(ctx context.Context, c config, cube, bare starter, out io.Writer) error {
	const rest = 100 * time.Millisecond // between two starts, as between two tasks that arrive
	tick := time.NewTicker(rest)
	defer tick.Stop()
	var times [2][]time.Duration
	var added []time.Duration
	for range c.pairs {
		for i, s := range [...]starter{cube, bare} {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			began := time.Now()
			if err := s.start(ctx, 1); err != nil {
				return err
			}
			times[i] = append(times[i], time.Since(began))
			if err := s.clear(); err != nil {
				return err
			}
		}
		added = append(added, times[0][len(times[0])-1]-times[1][len(times[1])-1])
	}
	fmt.Fprintf(out, "one start of a %s task, %d pairs\n%8s  %10s  %10s  %10s\n", c.runtime, c.pairs, "", "p50", "p90", "p99")
	for _, row := range []struct {
		name  string
		times []time.Duration
	}{{"cube", times[0]}, {"bare", times[1]}, {"added", added}} {
		slices.Sort(row.times)
		fmt.Fprintf(out, "%8s", row.name)
		for _, quantile := range []float64{0.5, 0.9, 0.99} {
			fmt.Fprintf(out, "  %7.2f ms", row.times[int(quantile*float64(len(row.times)-1))].Seconds()*1e3)
		}
		fmt.Fprintln(out)
	}
	return nil
}

// crowd starts n at once, and returns how long it took and what the machine has
// less of for each.
func crowd(ctx context.Context, s starter, n int) (took time.Duration, memory float64, err error) {
	before, err := available()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := s.start(ctx, n); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	after, err := available()
	return took, (before - after) / float64(n), errors.Join(err, s.clear())
}

// available is MemAvailable in bytes.
func available() (float64, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	info, err := proc.Meminfo()
	if err != nil {
		return 0, err
	}
	if info.MemAvailableBytes == nil {
		return 0, errors.New("the kernel says no MemAvailable")
	}
	return float64(*info.MemAvailableBytes), nil
}

// each does one thing n times at once, so many side by side.
func each(n int, do func() error) error {
	const sideBySide = 32
	places := make(chan struct{}, sideBySide)
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		places <- struct{}{}
		group.Go(func() { errs[i] = do(); <-places })
	}
	group.Wait()
	return errors.Join(errs...)
}
