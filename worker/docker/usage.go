package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"cube/worker"
)

// Usage reads the container's cgroup through the engine.
func (r *Runtime) Usage(ctx context.Context, key worker.Key) (worker.Usage, error) {
	name := containerName(key)
	answer, err := r.client.ContainerStatsOneShot(ctx, name)
	if errdefs.IsNotFound(err) {
		return worker.Usage{}, fmt.Errorf("container %s: %w", name, worker.ErrUnknownRun)
	}
	if err != nil {
		return worker.Usage{}, fmt.Errorf("usage of container %s: %w", name, err)
	}
	var stats container.StatsResponse
	err = json.NewDecoder(answer.Body).Decode(&stats)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return worker.Usage{}, fmt.Errorf("usage of container %s: %w", name, err)
	}
	return usageOf(&stats), nil
}

// usageOf reads cpuacct and memory of the engine's statistics. The key of the
// reclaimable file pages is cgroup v1's or v2's.
func usageOf(stats *container.StatsResponse) worker.Usage {
	usage := worker.Usage{CpuSeconds: -1, MemoryBytes: -1}
	if stats.Read.IsZero() { // the engine's answer for one that does not run
		return usage
	}
	usage.CpuSeconds = time.Duration(stats.CPUStats.CPUUsage.TotalUsage).Seconds()
	used, file := stats.MemoryStats.Usage, stats.MemoryStats.Stats["total_inactive_file"]
	if v2, there := stats.MemoryStats.Stats["inactive_file"]; there && file == 0 {
		file = v2
	}
	usage.MemoryBytes = float64(used - min(used, file))
	return usage
}
