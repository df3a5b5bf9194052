package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// way is a way to start tasks.
type way struct {
	name string
	starter
}

// compare times all ways and prints the tables.
func compare(ctx context.Context, c config, dir string, out io.Writer) (err error) {
	bare, image := []way{{"bare", &processes{}}}, ""
	if c.runtime == "docker" {
		if image, err = importImage(ctx, dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, docker(context.WithoutCancel(ctx), "rmi", image)) }()
		bare = []way{{"bare", newEngine(image)}, {"docker run", &containers{image: image}}}
	}
	cube, err := startWorker(ctx, c, dir, image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cube.stop()) }()
	if err := latency(ctx, c, cube, bare, dir, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%8s  %-10s  %12s  %14s\n", "tasks", "by", "all run", "memory a task")
	for _, n := range c.sizes {
		for _, way := range append([]way{{"cube", cube}}, bare...) {
			took, memory, err := crowd(ctx, way.starter, n)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%8d  %-10s  %12v  %11.2f MiB\n", n, way.name, took.Round(100*time.Microsecond), memory/(1<<20))
		}
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

// sideBySide bounds how many tasks are being started at once.
const sideBySide = 32

// each does one thing n times at once, so many side by side.
func each(n int, do func(i int) error) error {
	places := make(chan struct{}, sideBySide)
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		places <- struct{}{}
		group.Go(func() { errs[i] = do(i); <-places })
	}
	group.Wait()
	return errors.Join(errs...)
}
