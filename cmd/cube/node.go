package main

import (
	"context"
	"fmt"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"cube/scheduler/client"
	"cube/worker/wire"
)

// registerNode adds what is done to one node: drain, resume, rm.
func (c *cli) registerNode(app *kingpin.Application) {
	node := app.Command("node", "Drain a node, have it take tasks again, or take it out of the fleet.")
	var moveWithin time.Duration
	drain := c.nodeCommand(node, "drain", "Have a node take no new tasks.", func(ctx context.Context, m *client.Client, name string) (wire.Node, error) {
		return m.Drain(ctx, name, moveWithin)
	})
	drain.Flag("move-within", "Move its tasks with a restart policy elsewhere, one by one, within this time.").Default("0s").DurationVar(&moveWithin)
	c.nodeCommand(node, "resume", "Have a draining node take tasks again.", func(ctx context.Context, m *client.Client, name string) (wire.Node, error) {
		return m.Resume(ctx, name)
	})
	var force bool
	remove := c.nodeCommand(node, "rm", "Take a node out of the fleet.", func(ctx context.Context, m *client.Client, name string) (wire.Node, error) {
		n, err := m.Node(ctx, name)
		if err != nil {
			return wire.Node{}, err
		}
		return n, m.RemoveNode(ctx, name, force)
	})
	remove.Flag("force", "Though it has live tasks: they are placed anew.").BoolVar(&force)
}

// nodeCommand adds a subcommand about one node, which act is done to.
func (c *cli) nodeCommand(parent *kingpin.CmdClause, verb, help string,
	act func(context.Context, *client.Client, string) (wire.Node, error),
) *kingpin.CmdClause {
	var conn connection
	var name string
	c.commands["node "+verb] = func(ctx context.Context) error {
		manager, err := conn.open()
		if err != nil {
			return err
		}
		n, err := act(ctx, manager, name)
		if err != nil {
			return err
		}
		if conn.json {
			return printJSON(c.stdout, n)
		}
		fmt.Fprintf(c.stdout, "%s: %s, %d tasks\n", verb, n.Name, n.Tasks)
		return nil
	}
	cmd := parent.Command(verb, help)
	conn.addFlags(cmd)
	cmd.Arg("node", "The node's name, as cube nodes shows it.").Required().StringVar(&name)
	return cmd
}
