package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// config is what is compared.
type config struct {
	runtime string
	cube    string // the program; built where it is empty
	sizes   []int
	pairs   int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "start: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	var c config
	var sizes string
	app := kingpin.New("start", "Compares what it costs to start tasks and to have them.")
	app.Flag("runtime", "process or docker.").Default("process").EnumVar(&c.runtime, "process", "docker")
	app.Flag("cube", "The cube program; by default it is built.").StringVar(&c.cube)
	app.Flag("sizes", "How many tasks to start at once.").Default("1,100,1000").StringVar(&sizes)
	app.Flag("pairs", "How many single starts to time.").Default("50").IntVar(&c.pairs)
	if _, err := app.Parse(args); err != nil {
		return err
	}
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("--sizes %s: %q is not a number of tasks", sizes, text)
		}
		c.sizes = append(c.sizes, n)
	}
	dir, err := os.MkdirTemp("", "cube-start-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if c.cube == "" {
		c.cube = filepath.Join(dir, "cube")
		build := exec.CommandContext(ctx, "go", "build", "-o", c.cube, "./cmd/cube")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building cube: %w\n%s", err, out)
		}
	}
	return compare(ctx, c, dir, os.Stdout)
}
