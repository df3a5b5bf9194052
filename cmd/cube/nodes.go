package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/alecthomas/kingpin/v2"

	"cube/worker/wire"
)

func (c *cli) registerNodes(app *kingpin.Application) {
	var conn connection
	cmd := c.command(app, "nodes", "List nodes with what was measured there.", func(ctx context.Context) error { return c.nodes(ctx, &conn) })
	conn.addFlags(cmd)
}

func (c *cli) nodes(ctx context.Context, conn *connection) error {
	manager, err := conn.open()
	if err != nil {
		return err
	}
	nodes, err := manager.Nodes(ctx)
	if err != nil {
		return err
	}
	if conn.json {
		return printJSON(c.stdout, nodes)
	}
	out := newTable(c.stdout, "NODE", "STATE", "CPU", "MEMORY AVAILABLE", "DISK AVAILABLE", "LOAD1", "TASKS", "PROMISED", "READ", "ERROR")
	for i := range nodes {
		n := &nodes[i]
		out.row(n.Name, string(n.State), nodeCPU(n),
			ofWhole(figure(n.MemoryAvailable, size), figure(n.MemoryTotal, size)),
			ofWhole(figure(n.DiskAvailable, size), figure(n.DiskTotal, size)),
			figure(n.Load1, func(v float64) string { return fmt.Sprintf("%.2f", v) }),
			strconv.Itoa(n.Tasks),
			fmt.Sprintf("%s cores, %s", cores(n.Promised.Cpu), n.Promised.Memory),
			readAge(n), n.LastError)
	}
	return out.flush()
}

func nodeCPU(n *wire.Node) string {
	return ofWhole(figure(n.CpuUsageRatio, percent), figure(n.CpuCores, cores))
}

func readAge(n *wire.Node) string {
	if n.ReadingAge == nil {
		return "never"
	}
	return seconds(*n.ReadingAge) + " ago"
}
