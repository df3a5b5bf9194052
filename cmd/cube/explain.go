package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"cube/scheduler"
	"cube/scheduler/policy"
	"cube/worker/wire"
)

func (c *cli) registerExplain(app *kingpin.Application) {
	var conn connection
	var id string
	cmd := c.command(app, "explain", "Say why a task is where it is, or why it is nowhere.", func(ctx context.Context) error { return c.explain(ctx, &conn, id) })
	conn.addFlags(cmd)
	cmd.Arg("task", "The task's ID, a unique beginning of it, or its name.").Required().StringVar(&id)
}

func (c *cli) explain(ctx context.Context, conn *connection, id string) error {
	manager, err := conn.open()
	if err != nil {
		return err
	}
	t, err := resolve(ctx, manager, id)
	if err != nil {
		return err
	}
	decision, err := manager.Decision(ctx, t.ID)
	if err != nil {
		return err
	}
	if conn.json {
		return printJSON(c.stdout, decision)
	}
	return c.printDecision(t, &decision)
}

func (c *cli) printDecision(t *wire.PlacedTask, d *scheduler.Decision) error {
	fmt.Fprintf(c.stdout, "Task %s asks for %s cores, %s memory, %s disk.\n",
		label(t), cores(d.Requests.Cpu), d.Requests.Memory, d.Requests.Disk)
	if d.Node == "" {
		fmt.Fprintf(c.stdout, "No node of %d fits.\n", d.Nodes)
	} else {
		fmt.Fprintf(c.stdout, "Placed on %s at %s: the best of %d that fit, of %d.\n",
			d.Node, d.Time.Format("2006-01-02 15:04:05.000 MST"), d.Passed, d.Nodes)
	}
	fmt.Fprintf(c.stdout, "Policy %s, seed %d, readings %s to %s old.\n",
		d.Policy, d.Seed, figureOf(d.NewestReading, seconds), figureOf(d.OldestReading, seconds))
	if len(d.Candidates) > 0 {
		if err := c.printCandidates(d); err != nil {
			return err
		}
	}
	if len(d.Refused) > 0 {
		return c.printRefused(d)
	}
	return nil
}

func label(t *wire.PlacedTask) string {
	if t.Name == "" {
		return short(t.ID)
	}
	return short(t.ID) + " (" + t.Name + ")"
}

func (c *cli) printCandidates(d *scheduler.Decision) error {
	fmt.Fprintln(c.stdout)
	out := newTable(c.stdout, "CANDIDATE", "SCORE", "OF WHICH", "CPU MEASURED", "CPU EXPECTED", "CPU PROMISED", "MEMORY AVAILABLE", "MEMORY PROMISED", "TASKS", "READ")
	for i := range d.Candidates {
		candidate := &d.Candidates[i]
		in := &candidate.Inputs
		read := figureOf(in.ReadingAge, seconds) + " before"
		if in.Stale {
			read += ", stale"
		}
		out.row(candidate.Node, fmt.Sprintf("%.2f", candidate.Score), components(candidate.Components),
			ofWhole(figureOf(in.CpuUsageRatio, percent), figureOf(in.CpuCores, cores)), cores(in.CpuExpected),
			ofWhole(cores(in.CpuPromised), cores(in.CpuLimit)),
			ofWhole(figureOf(in.MemoryAvailable, size), figureOf(in.MemoryTotal, size)),
			ofWhole(size(in.MemoryPromised), size(in.MemoryLimit)),
			fmt.Sprint(in.Tasks), read)
	}
	if err := out.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.stdout, recomputed(d))
	return err
}

// recomputed says whether the scores follow from the figures that the decision
// was stored with.
func recomputed(d *scheduler.Decision) string {
	made, err := policy.New(d.Policy)
	if err != nil {
		return fmt.Sprintf("The scores cannot be recomputed here: %v.", err)
	}
	again, err := scheduler.Recompute(made, *d)
	if err != nil {
		return fmt.Sprintf("The scores cannot be recomputed here: %v.", err)
	}
	for i := range again {
		if again[i].Score != d.Candidates[i].Score || !slices.Equal(again[i].Components, d.Candidates[i].Components) {
			return fmt.Sprintf("Recomputed from these figures, %s scores %v, not %v: another version of cube decided.",
				again[i].Node, again[i].Score, d.Candidates[i].Score)
		}
	}
	return "Recomputed from these figures, the scores are the same to the last bit."
}

func figureOf(f scheduler.Figure, format func(float64) string) string {
	value := f.Value()
	return figure(&value, format)
}

func components(parts []scheduler.Component) string {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = fmt.Sprintf("%s %.2f", part.Scorer, part.Score)
		if part.Weight != 1 {
			texts[i] += fmt.Sprintf(" ×%g", part.Weight)
		}
	}
	return strings.Join(texts, ", ")
}

func (c *cli) printRefused(d *scheduler.Decision) error {
	fmt.Fprintln(c.stdout)
	out := newTable(c.stdout, "REFUSED", "CODE", "WHY")
	for _, refused := range d.Refused {
		for _, example := range refused.Examples {
			out.row(example.Node, string(refused.Code), example.Reason)
		}
		if more := refused.Count - len(refused.Examples); more > 0 {
			out.row(fmt.Sprintf("and %d more", more), string(refused.Code), "")
		}
	}
	return out.flush()
}
