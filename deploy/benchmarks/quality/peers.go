package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"cube/scheduler/simulate"
)

// ours is the policy whose constants are asked about.
const ours = "measured"

// peers are the policies that it is compared with: all that look at the nodes
// and know no future.
func peers() []string {
	return slices.DeleteFunc(simulate.Policies(), func(name string) bool {
		return name == ours || name == simulate.Random || name == simulate.Oracle
	})
}

// printPeers writes a line a peer: the gap that it closes, by how much more the
// policy does, and in how many schedules that is better, equal, and worse.
func (b *bench) printPeers(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range b.traces {
		of := []sample{{t, every}}
		fmt.Fprintf(w, "%s, schedules: %d\tGAP %%\tMEASURED MORE BY\tOVER %%: BETTER\tEQUAL\tWORSE\tUNSERVED: BETTER\tEQUAL\tWORSE\n", t.trace.Name, len(t.schedules))
		for p, name := range append([]string{ours}, peers()...) {
			fmt.Fprintf(w, "%s\t%s", name, plusMinus(gaps(of, p), "%.1f ± %.1f"))
			if p == 0 {
				fmt.Fprint(w, "\t\t\t\t\t\t\t\n")
				continue
			}
			less := values(of, func(t *replayed, i int) float64 { return t.gap(0, i) - t.gap(p, i) })
			fmt.Fprintf(w, "\t%s", plusMinus(less, "%+.1f ± %.1f"))
			t.printWins(w, p, simulate.OverPercent)
			t.printWins(w, p, func(r *simulate.Row) float64 { return r.Unserved })
			fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

func (t *replayed) printWins(out io.Writer, peer int, of func(*simulate.Row) float64) {
	better, equal := 0, 0
	for i := range t.schedules {
		switch a, b := of(&t.rows[0][i]), of(&t.rows[peer][i]); {
		case a < b:
			better++
		case a == b:
			equal++
		}
	}
	fmt.Fprintf(out, "\t%d\t%d\t%d", better, equal, len(t.schedules)-better-equal)
}
