package simulate

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Study is a trace replayed under several policies.
type Study struct {
	Trace    *Trace
	Policies []string
	Rows     map[string][]Row // by policy, in the order of the schedules
	// Use is that of the first schedule, by policy: Use[p][slot][machine].
	Use map[string][][]float64
	// Needed are the fewest machines by policy, where that was asked for.
	Needed map[string]int
}

// Run replays the first seeds schedules of a trace under each of the policies,
// and under the two references that scores are reckoned by. It uses all cores.
func Run(ctx context.Context, t *Trace, policies []string, seeds int, o Options) (*Study, error) {
	s := &Study{Trace: t, Policies: policies, Rows: map[string][]Row{}, Use: map[string][][]float64{}, Needed: map[string]int{}}
	schedules := t.Schedules[:min(seeds, len(t.Schedules))]
	var jobs []string
	for _, p := range append([]string{Random, Oracle}, policies...) {
		if s.Rows[p] == nil {
			s.Rows[p] = make([]Row, len(schedules))
			jobs = append(jobs, p)
		}
	}
	uses := make([][][]float64, len(jobs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for j, name := range jobs {
		for i := range schedules {
			group.Go(func() error {
				out, err := Replay(ctx, t, &schedules[i], name, o)
				if err != nil {
					return err
				}
				s.Rows[name][i] = out.Row
				if i == 0 {
					uses[j] = out.Use
				}
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for j, name := range jobs {
		s.Use[name] = uses[j]
	}
	return s, nil
}

// Figure is a mean over schedules and its standard deviation.
type Figure struct{ Mean, Deviation float64 }

// Figure sums up one figure of a policy's rows.
func (s *Study) Figure(policy string, of func(*Row) float64) Figure {
	values := make([]float64, len(s.Rows[policy]))
	for i := range values {
		values[i] = of(&s.Rows[policy][i])
	}
	return figureOf(values)
}

func figureOf(values []float64) Figure {
	mean, deviation := meanDeviation(values, 1)
	return Figure{mean, deviation}
}

// GapClosed returns which part of the way from [Random] to [Oracle] a policy
// goes on a figure, in percent: 100·(random − policy)/(random − oracle), paired
// by schedule. Schedules in which the references do not differ do not count;
// false says that there is no other.
func (s *Study) GapClosed(policy string, of func(*Row) float64) (Figure, bool) {
	var gaps []float64
	for i := range s.Rows[policy] {
		random, oracle := of(&s.Rows[Random][i]), of(&s.Rows[Oracle][i])
		if random != oracle {
			gaps = append(gaps, 100*(random-of(&s.Rows[policy][i]))/(random-oracle))
		}
	}
	if len(gaps) == 0 {
		return Figure{}, false
	}
	return figureOf(gaps), true
}

// OverPercent is the figure that policies are scored by.
func OverPercent(r *Row) float64 { return r.Over }
