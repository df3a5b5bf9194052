package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/uuid"

	"cube/scheduler/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// runFlags is what cube run is told.
type runFlags struct {
	connection
	file    string
	wait    time.Duration
	count   int
	publish []string
	memory  task.Bytes
	disk    task.Bytes
	task    task.Task
}

func (c *cli) registerRun(app *kingpin.Application) {
	f := &runFlags{}
	cmd := c.command(app, "run", "Run a task: a container of an image, or a process.", func(ctx context.Context) error { return c.runTask(ctx, f) })
	f.addFlags(cmd)
	cmd.Flag("file", "File with a task, or the book's event around one, in JSON; - is standard input.").Short('f').StringVar(&f.file)
	cmd.Flag("image", "The image; without one the command runs as a process.").StringVar(&f.task.Image)
	cmd.Flag("name", "A name for people and for metrics.").StringVar(&f.task.Name)
	cmd.Flag("cpu", "Cores the task needs, and its limit.").Float64Var(&f.task.Cpu)
	cmd.Flag("memory", "Memory the task needs, and its limit: 512MiB, 4GiB.").SetValue(sizeValue{&f.memory})
	cmd.Flag("disk", "Disk the task needs; a reservation, not a limit.").SetValue(sizeValue{&f.disk})
	cmd.Flag("env", "KEY=value for the task's environment; repeatable.").Short('e').StringsVar(&f.task.Env)
	cmd.Flag("publish", "[HOST-PORT:]PORT[/udp] to be reached from outside; repeatable.").Short('p').StringsVar(&f.publish)
	cmd.Flag("user", "User to run as.").StringVar(&f.task.User)
	cmd.Flag("workdir", "Working directory.").StringVar(&f.task.WorkingDir)
	cmd.Flag("constraint", "Condition on the node's labels: zone==a, disk!=hdd; repeatable.").StringsVar(&f.task.Constraints)
	cmd.Flag("restart", "no, on-failure, on-failure:N or always.").Default("no").StringVar((*string)(&f.task.RestartPolicy))
	cmd.Flag("count", "How many of these tasks to run.").Default("1").IntVar(&f.count)
	cmd.Flag("wait", "How long to wait for the task to be running; 0 does not wait.").Default("10s").DurationVar(&f.wait)
	cmd.Arg("command", "The command and its arguments, after --.").StringsVar(&f.task.Command)
}

// sizeValue is the flag value for bytes.
type sizeValue struct{ bytes *task.Bytes }

func (v sizeValue) String() string {
	if v.bytes == nil || *v.bytes == 0 {
		return ""
	}
	return v.bytes.String()
}

func (v sizeValue) Set(text string) error {
	parsed, err := task.ParseBytes(text)
	if err == nil {
		*v.bytes = parsed
	}
	return err
}

func (c *cli) runTask(ctx context.Context, f *runFlags) error {
	t, err := f.wanted()
	if err != nil {
		return err
	}
	manager, err := f.open()
	if err != nil {
		return err
	}
	if f.count != 1 {
		return c.runMany(ctx, f, manager, t)
	}
	placed, err := manager.Submit(ctx, t)
	if err != nil {
		return err
	}
	if placed, err = waitStarted(ctx, manager, placed, f.wait); err != nil {
		return err
	}
	if f.json {
		return printJSON(c.stdout, placed)
	}
	return c.printTasks([]wire.PlacedTask{placed})
}

// runMany runs as many of a task as are asked for.
func (c *cli) runMany(ctx context.Context, f *runFlags, manager *client.Client, t *task.Task) error {
	if f.count < 1 {
		return fmt.Errorf("--count=%d: want 1 or more", f.count)
	}
	if t.ID != uuid.Nil {
		return fmt.Errorf("--count=%d of a task with an ID: only one task can have it", f.count)
	}
	tasks := make([]*task.Task, f.count)
	for i := range tasks {
		one := *t
		tasks[i] = &one
	}
	outcomes, err := manager.SubmitAll(ctx, tasks)
	var placed []wire.PlacedTask
	for i, outcome := range outcomes {
		if outcome.Error != nil {
			err = errors.Join(err, outcome.Error)
			continue
		}
		placed = append(placed, wire.PlacedTask{Task: *tasks[i]})
	}
	deadline := time.Now().Add(f.wait)
	for i := range placed {
		var errWait error
		if placed[i], errWait = manager.Task(ctx, placed[i].ID); errWait == nil {
			placed[i], errWait = waitStarted(ctx, manager, placed[i], max(0, time.Until(deadline)))
		}
		if errWait != nil {
			return errors.Join(err, errWait)
		}
	}
	if f.json {
		return errors.Join(err, printJSON(c.stdout, placed))
	}
	return errors.Join(err, c.printTasks(placed))
}

// wanted is the task that the flags or the file describe, checked before
// anybody is asked.
func (f *runFlags) wanted() (*task.Task, error) {
	t := &f.task
	if f.file != "" {
		if t.Image != "" || len(t.Command) > 0 {
			return nil, fmt.Errorf("a file and an image or command: want one of them")
		}
		var err error
		if t, err = readTask(f.file); err != nil {
			return nil, err
		}
		return t, t.Validate()
	}
	t.Memory, t.Disk = f.memory, f.disk
	for _, text := range f.publish {
		if err := publish(t, text); err != nil {
			return nil, err
		}
	}
	return t, t.Validate()
}

func readTask(file string) (*task.Task, error) {
	var in io.Reader = os.Stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("the task file: %w", err)
		}
		defer func() { _ = opened.Close() }() // it was only read
		in = opened
	}
	body, err := io.ReadAll(io.LimitReader(in, wire.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("the task file %s: %w", file, err)
	}
	if len(body) > wire.MaxBody {
		return nil, fmt.Errorf("the task file %s is longer than %d bytes", file, wire.MaxBody)
	}
	t, err := wire.UnmarshalTask(body, false)
	if err != nil {
		return nil, fmt.Errorf("the task file %s: %w", file, err)
	}
	return t, nil
}

// publish adds "8080:80/tcp" or "80" to the ports of t.
func publish(t *task.Task, text string) error {
	host, inside, two := strings.Cut(text, ":")
	if !two {
		host, inside = "", text
	}
	port, err := task.ParsePort(inside)
	if err != nil {
		return fmt.Errorf("--publish %s: %w", text, err)
	}
	if t.PortBindings == nil {
		t.PortBindings = map[string]string{}
		t.ExposedPorts = map[string]struct{}{}
	}
	if _, twice := t.PortBindings[port.String()]; twice {
		return fmt.Errorf("--publish %s: port %s is published twice", text, port)
	}
	t.PortBindings[port.String()] = host
	t.ExposedPorts[port.String()] = struct{}{}
	return nil
}

// pollEvery is how often the client looks whether its task has started.
const pollEvery = 50 * time.Millisecond

// fitsNowhereAfter is how long a task may be refused by every node before the
// client says so: a node that has just come may need a second to be measured.
const fitsNowhereAfter = 3 * time.Second

// waitStarted returns the task once it runs, has ended, or has fitted nowhere
// for a while, and after wait as it is then.
func waitStarted(ctx context.Context, manager *client.Client, t wire.PlacedTask, wait time.Duration) (wire.PlacedTask, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for begin := time.Now(); ; {
		fitsNowhere := t.State == task.Pending && t.PendingReason != "" && time.Since(begin) > fitsNowhereAfter
		if fitsNowhere || (t.State != task.Pending && t.State != task.Scheduled) {
			return t, nil
		}
		select {
		case <-ctx.Done():
			return t, nil
		case <-tick.C:
		}
		now, err := manager.Task(ctx, t.ID)
		if ctx.Err() != nil {
			return t, nil
		}
		if err != nil {
			return t, err
		}
		t = now
	}
}
