package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// sample is a trace's schedules that are looked at, by their index.
type sample struct {
	of  *replayed
	has func(schedule int) bool
}

func every(int) bool  { return true }
func even(i int) bool { return i%2 == 0 }
func odd(i int) bool  { return i%2 == 1 }

// values are those of the schedules of some samples.
func values(samples []sample, of func(t *replayed, schedule int) float64) []float64 {
	var all []float64
	for _, s := range samples {
		for i := range s.of.schedules {
			if s.has(i) {
				all = append(all, of(s.of, i))
			}
		}
	}
	return all
}

// meanError is the mean, and its standard error.
func meanError(values []float64) (mean, err float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		err += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(err / (n * (n - 1)))
}

func gaps(samples []sample, setting int) []float64 {
	return values(samples, func(t *replayed, i int) float64 { return t.gap(setting, i) })
}

// gained is by how much more of the gap a setting closes than the present one.
func gained(samples []sample, setting int) []float64 {
	return values(samples, func(t *replayed, i int) float64 { return t.gap(setting, i) - t.gap(0, i) })
}

// more is how much more CPU is not served under a setting than under the present
// one, in percent of what is asked for.
func more(samples []sample, setting int) []float64 {
	return values(samples, func(t *replayed, i int) float64 { return t.rows[setting][i].Unserved - t.rows[0][i].Unserved })
}

func (b *bench) name(setting int) string {
	if setting == 0 {
		return "as it is"
	}
	return b.settings[setting]
}

func plusMinus(values []float64, format string) string {
	mean, err := meanError(values)
	return fmt.Sprintf(format, mean, err)
}

// print writes a line a setting: for each trace the gap closed, and what it
// gains over the present setting.
func (b *bench) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "SETTING")
	for _, t := range b.traces {
		fmt.Fprintf(w, "\t%s GAP %%\tGAINED\tMORE UNSERVED", t.trace.Name)
	}
	fmt.Fprintln(w)
	for s := range b.settings {
		fmt.Fprint(w, b.name(s))
		for _, t := range b.traces {
			of := []sample{{t, every}}
			fmt.Fprintf(w, "\t%s\t%s\t%s", plusMinus(gaps(of, s), "%.1f ± %.1f"), plusMinus(gained(of, s), "%+.2f ± %.2f"), plusMinus(more(of, s), "%+.3f ± %.3f"))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// split is what is chosen on, and what the choice is judged on.
type split struct {
	chosen, judged   string
	choose, judgedOn []sample
}

// splits are the halves of each trace, the halves of all, and trace by trace.
func (b *bench) splits() []split {
	var all []split
	var evens, odds []sample
	for _, t := range b.traces {
		e, o := []sample{{t, even}}, []sample{{t, odd}}
		all = append(all, split{t.trace.Name + " even", t.trace.Name + " odd", e, o}, split{t.trace.Name + " odd", t.trace.Name + " even", o, e})
		evens, odds = append(evens, e...), append(odds, o...)
	}
	all = append(all, split{"all even", "all odd", evens, odds}, split{"all odd", "all even", odds, evens})
	for _, t := range b.traces {
		for _, other := range b.traces {
			if other != t {
				all = append(all, split{t.trace.Name, other.trace.Name, []sample{{t, every}}, []sample{{other, every}}})
			}
		}
	}
	return all
}

// cross writes what each choice gained where it was made and where it was not.
func (b *bench) cross(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nCHOSEN ON\tBEST SETTING\tGAINED THERE\tJUDGED ON\tGAINED\tMORE UNSERVED")
	for _, s := range b.splits() {
		best, most := 0, math.Inf(-1)
		for setting := range b.settings {
			if mean, _ := meanError(gaps(s.choose, setting)); mean > most {
				best, most = setting, mean
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.chosen, b.name(best), plusMinus(gained(s.choose, best), "%+.2f ± %.2f"),
			s.judged, plusMinus(gained(s.judgedOn, best), "%+.2f ± %.2f"), plusMinus(more(s.judgedOn, best), "%+.3f ± %.3f"))
	}
	return w.Flush()
}
