package simulate

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

const (
	// neededOver is how many percent of node-slots may be over.
	neededOver = 1
	// neededSeeds is over how many schedules that is averaged.
	neededSeeds = 3
	// neededMost is how many times the trace's machines are tried at most.
	neededMost = 8
)

// FindNeeded finds for each policy the fewest machines, alternating between the
// trace's first two types, with which no task is rejected and no more than 1 %
// of node-slots are over, the mean of three schedules. It is found by halving,
// as if more machines never made it worse. A policy that needs more than eight
// times the trace's machines is left out.
func (s *Study) FindNeeded(ctx context.Context, o Options) error {
	o.Draws = min(o.Draws, 5)
	found := make([]int, len(s.Policies))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range s.Policies {
		group.Go(func() (err error) {
			found[i], err = needed(ctx, s.Trace, name, o)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, name := range s.Policies {
		if found[i] > 0 {
			s.Needed[name] = found[i]
		}
	}
	return nil
}

// needed returns the fewest machines under one policy, 0 when there is none.
func needed(ctx context.Context, t *Trace, name string, o Options) (int, error) {
	few, enough := 0, len(t.Machines) // few are too few
	for {
		ok, err := suffices(ctx, t, name, enough, o)
		if err != nil {
			return 0, err
		}
		if ok {
			break
		}
		few, enough = enough, 2*enough
		if few >= neededMost*len(t.Machines) {
			return 0, nil
		}
	}
	for enough-few > 1 {
		middle := (few + enough) / 2
		ok, err := suffices(ctx, t, name, middle, o)
		if err != nil {
			return 0, err
		}
		if ok {
			enough = middle
		} else {
			few = middle
		}
	}
	return enough, nil
}

func suffices(ctx context.Context, t *Trace, name string, machines int, o Options) (bool, error) {
	o.Machines = t.Fleet(machines)
	schedules := t.Schedules[:min(neededSeeds, len(t.Schedules))]
	over := 0.0
	for i := range schedules {
		out, err := Replay(ctx, t, &schedules[i], name, o)
		if err != nil {
			return false, err
		}
		if out.Rejected > 0 {
			return false, nil
		}
		over += out.Over
	}
	return over/float64(len(schedules)) <= neededOver, nil
}
