package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"cube/worker"
)

// inspectsAtOnce bounds how many containers are inspected side by side.
const inspectsAtOnce = 16

// List returns the owner's runs, running or ended, in no particular order.
// Containers that were never started are no runs.
func (r *Runtime) List(ctx context.Context) ([]worker.Run, error) {
	all, err := r.client.ContainerList(ctx, container.ListOptions{All: true, Filters: ownerFilter(r.cfg.Owner)})
	if err != nil {
		return nil, engineError("list the containers of "+r.cfg.Owner, err)
	}
	runs := make([]*worker.Run, len(all)) // nil for what is no run
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inspectsAtOnce)
	for i, c := range all {
		key, err := keyOf(c.Labels)
		if err == nil && summaryName(c) != containerName(key) {
			err = fmt.Errorf("its labels are those of run %s", key)
		}
		if err != nil {
			r.log.WarnContext(ctx, "left out a container that is labelled as one of ours", "container", summaryName(c), "err", err)
			continue
		}
		group.Go(func() error {
			c, err := r.inspect(ctx, key)
			if errors.Is(err, worker.ErrUnknownRun) {
				return nil // removed since it was listed, or never started
			}
			if err != nil {
				return err
			}
			run := r.runOf(key, c)
			runs[i] = &run
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found := make([]worker.Run, 0, len(runs))
	for _, run := range slices.DeleteFunc(runs, func(run *worker.Run) bool { return run == nil }) {
		found = append(found, *run)
	}
	return found, nil
}
