package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/uuid"

	"cube/scheduler/client"
)

func (c *cli) registerStop(app *kingpin.Application) {
	var conn connection
	var ids []string
	cmd := c.command(app, "stop", "Stop tasks.", func(ctx context.Context) error { return c.stop(ctx, &conn, ids) })
	conn.addFlags(cmd)
	cmd.Arg("task", "Task IDs, unique beginnings of them, or names.").Required().StringsVar(&ids)
}

// stop asks for all the tasks to be stopped, whatever becomes of the others.
func (c *cli) stop(ctx context.Context, conn *connection, ids []string) error {
	manager, err := conn.open()
	if err != nil {
		return err
	}
	var errs []error
	stopped := []uuid.UUID{}
	for _, id := range ids {
		taskID, err := stopOne(ctx, manager, id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		stopped = append(stopped, taskID)
	}
	if conn.json {
		errs = append(errs, printJSON(c.stdout, stopped))
	} else {
		for _, id := range stopped {
			fmt.Fprintf(c.stdout, "stopping %s\n", short(id))
		}
	}
	return errors.Join(errs...)
}

func stopOne(ctx context.Context, manager *client.Client, id string) (uuid.UUID, error) {
	t, err := resolve(ctx, manager, id)
	if err != nil {
		return uuid.Nil, err
	}
	return t.ID, manager.Stop(ctx, t.ID)
}
