package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"cube/scheduler/simulate"
)

// printStudies prints a table a trace, the best policy first.
func (c *cli) printStudies(studies []*simulate.Study, f *simulateFlags) error {
	for i, s := range studies {
		if i > 0 {
			fmt.Fprintln(c.stdout)
		}
		drawn := ""
		if f.resample != "" {
			drawn = ", resampled by seed " + f.resample
		}
		fmt.Fprintf(c.stdout, "%s: %d tasks, %d nodes, schedules: %d, scrapes every %v%s\n",
			s.Trace.Name, len(s.Trace.Tasks), len(s.Trace.Machines), len(s.Rows[simulate.Oracle]), f.interval, drawn)
		header := []string{"POLICY", "OVER %", "UNSERVED %", "P99 %", "CV", "REJECTED", "NODES USED", "MEMORY OVER %", "GAP CLOSED %"}
		if f.needed {
			header = append(header, "NODES NEEDED")
		}
		out := newTable(c.stdout, header...)
		for _, p := range byOver(s) {
			cells := []string{
				p,
				meanOf(s, p, 2, simulate.OverPercent),
				meanOf(s, p, 3, func(r *simulate.Row) float64 { return r.Unserved }),
				meanOf(s, p, 1, func(r *simulate.Row) float64 { return r.P99 }),
				meanOf(s, p, 3, func(r *simulate.Row) float64 { return r.CV }),
				meanOf(s, p, 1, func(r *simulate.Row) float64 { return r.Rejected }),
				meanOf(s, p, 1, func(r *simulate.Row) float64 { return r.NodesUsed }),
				meanOf(s, p, 2, func(r *simulate.Row) float64 { return r.MemoryOver }),
				gapClosed(s, p),
			}
			if f.needed {
				cells = append(cells, nodesNeeded(s, p))
			}
			out.row(cells...)
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// meanOf formats the mean over the schedules and its standard deviation.
func meanOf(s *simulate.Study, policy string, digits int, of func(*simulate.Row) float64) string {
	f := s.Figure(policy, of)
	return fmt.Sprintf("%.*f ± %.*f", digits, f.Mean, digits, f.Deviation)
}

func gapClosed(s *simulate.Study, policy string) string {
	gap, ok := s.GapClosed(policy, simulate.OverPercent)
	if !ok {
		return "?"
	}
	return fmt.Sprintf("%.1f ± %.1f", gap.Mean, gap.Deviation)
}

func nodesNeeded(s *simulate.Study, policy string) string {
	if n := s.Needed[policy]; n > 0 {
		return strconv.Itoa(n)
	}
	return "none enough"
}

// writeRows writes rows as CSV: the fields of the JSON, in its order.
func writeRows(out io.Writer, rows []simulate.Row) error {
	w := csv.NewWriter(out)
	lines := [][]string{{"trace", "policy", "scrape_interval", "seed", "over_percent", "unserved_percent",
		"p99_percent", "cv", "rejected", "nodes_used", "memory_over_percent"}}
	for _, r := range rows {
		line := []string{r.Trace, r.Policy, number(r.ScrapeInterval), strconv.Itoa(r.Seed)}
		for _, v := range [...]float64{r.Over, r.Unserved, r.P99, r.CV, r.Rejected, r.NodesUsed, r.MemoryOver} {
			line = append(line, number(v))
		}
		lines = append(lines, line)
	}
	return w.WriteAll(lines)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
