package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// shortID is as much of an ID as people are shown.
const shortID = 8

// table prints rows in columns that line up.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer, header ...string) *table {
	t := &table{tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)}
	t.row(header...)
	return t
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cell == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t *table) flush() error { return t.w.Flush() }

// printJSON writes v for programs.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func short(id uuid.UUID) string { return id.String()[:shortID] }

// figure formats a number that may not be known.
func figure(v *float64, format func(float64) string) string {
	if v == nil || math.IsNaN(*v) {
		return "?"
	}
	return format(*v)
}

func percent(ratio float64) string      { return fmt.Sprintf("%.1f%%", 100*ratio) }
func cores(v float64) string            { return fmt.Sprintf("%.4g", v) }
func size(bytes float64) string         { return task.Bytes(bytes).String() }
func seconds(v float64) string          { return fmt.Sprintf("%.1fs", v) }
func ofWhole(part, whole string) string { return part + " of " + whole }

// age formats how long ago an instant was, as ps of Docker and kubectl do.
func age(since time.Time, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	d := now.Sub(since)
	switch {
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}
