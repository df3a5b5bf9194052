package main

import (
	"context"
	"fmt"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"cube/worker/task"
	"cube/worker/wire"
)

func (c *cli) registerPs(app *kingpin.Application) {
	var conn connection
	var all bool
	cmd := c.command(app, "ps", "List tasks.", func(ctx context.Context) error { return c.ps(ctx, &conn, all) })
	conn.addFlags(cmd)
	cmd.Flag("all", "Ended tasks too.").Short('a').BoolVar(&all)
}

func (c *cli) ps(ctx context.Context, conn *connection, all bool) error {
	manager, err := conn.open()
	if err != nil {
		return err
	}
	listed, err := manager.Tasks(ctx)
	if err != nil {
		return err
	}
	tasks := []wire.PlacedTask{}
	for _, t := range listed {
		if all || !t.State.Ended() {
			tasks = append(tasks, t)
		}
	}
	if conn.json {
		return printJSON(c.stdout, tasks)
	}
	return c.printTasks(tasks)
}

func (c *cli) printTasks(tasks []wire.PlacedTask) error {
	now := time.Now()
	out := newTable(c.stdout, "TASK", "NAME", "STATE", "NODE", "CPU", "MEMORY", "AGE", "WHY")
	for i := range tasks {
		t := &tasks[i]
		out.row(short(t.ID), t.Name, state(t), t.Node, request(t.Cpu, cores(t.Cpu)),
			request(float64(t.Memory), t.Memory.String()), age(t.SubmitTime, now), shorten(why(t)))
	}
	return out.flush()
}

// state says more than the word where there is more to know.
func state(t *wire.PlacedTask) string {
	switch {
	case t.StopRequested && !t.State.Ended():
		return t.State.String() + ", stopping"
	case t.RestartCount > 0:
		return fmt.Sprintf("%s (restart %d)", t.State, t.RestartCount)
	default:
		return t.State.String()
	}
}

// why is what there is to say about a task that is not simply running.
func why(t *wire.PlacedTask) string {
	switch {
	case t.State == task.Pending:
		return t.PendingReason
	case t.OOMKilled:
		return "killed: out of memory"
	case t.State.Ended() && t.Error != "":
		return t.Error
	case t.State.Ended() && t.ExitCode != nil:
		return fmt.Sprintf("exit code %d", *t.ExitCode)
	default:
		return t.Error
	}
}

// widestWhy keeps a row of the table on a wide screen; explain says it all.
const widestWhy = 120

func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= widestWhy {
		return text
	}
	return string(runes[:widestWhy-1]) + "…"
}

// request shows what was asked for; nothing asked for is no zero.
func request(v float64, text string) string {
	if v == 0 {
		return ""
	}
	return text
}
