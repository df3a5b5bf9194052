package main

import (
	"context"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"cube/scheduler/client"
)

func (c *cli) registerLogs(app *kingpin.Application) {
	var conn connection
	var id string
	query := client.LogQuery{}
	cmd := c.command(app, "logs", "Print a task's output.", func(ctx context.Context) error { return c.logs(ctx, &conn, id, query) })
	conn.addFlags(cmd)
	cmd.Flag("follow", "Go on until the task ends.").Short('f').BoolVar(&query.Follow)
	cmd.Flag("tail", "Only the last N lines; -1 is all.").Default("-1").IntVar(&query.Tail)
	cmd.Arg("task", "The task's ID, a unique beginning of it, or its name.").Required().StringVar(&id)
}

func (c *cli) logs(ctx context.Context, conn *connection, id string, query client.LogQuery) error {
	manager, err := conn.open()
	if err != nil {
		return err
	}
	t, err := resolve(ctx, manager, id)
	if err != nil {
		return err
	}
	output, err := manager.Logs(ctx, t.ID, query)
	if err != nil {
		return err
	}
	_, err = io.Copy(c.stdout, output)
	_ = output.Close() // what was read is printed already
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("the output of task %s broke off: %w", short(t.ID), err)
	}
	return nil
}
