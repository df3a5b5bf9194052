package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"cube/collector/cgroup"
	"cube/worker"
)

// groups remembers the cgroups of running containers, their files open, so that
// reading one costs the engine nothing.
type groups struct {
	reader *cgroup.Reader // nil where this machine's cgroups cannot be read

	mu    sync.Mutex // guards known
	known map[worker.Key]*cgroup.Meter
}

// newGroups reads cgroups where there are any in reach.
func newGroups(procPath, sysPath string) *groups {
	reader, err := cgroup.New(procPath, sysPath)
	if err != nil {
		reader = nil
	}
	return &groups{reader: reader, known: make(map[worker.Key]*cgroup.Meter)}
}

func (g *groups) get(key worker.Key) *cgroup.Meter {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known[key]
}

func (g *groups) forget(key worker.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(key)
}

// drop gives a container's files back. The caller holds mu.
func (g *groups) drop(key worker.Key) {
	if m := g.known[key]; m != nil {
		m.Close()
		delete(g.known, key)
	}
}

// close gives all files back.
func (g *groups) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range g.known {
		g.drop(key)
	}
}

// find returns the cgroup of a running container; nil if it is not in reach.
// The process ID is the engine's: where the engine is not on this machine, or
// this process has process IDs of its own, it means another process here. The
// cgroup of a container, though, is named for it.
func (g *groups) find(key worker.Key, c container.InspectResponse) *cgroup.Meter {
	if g.reader == nil || c.State.Pid == 0 {
		return nil
	}
	group, err := g.reader.OfPID(c.State.Pid)
	if err != nil || !strings.Contains(group.Path, c.ID) {
		return nil
	}
	meter, err := group.Meter()
	if err != nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(key) // one that was found meanwhile
	g.known[key] = meter
	return meter
}

var _ worker.Meter = (*Runtime)(nil)

// ReadUsage reads the cgroup of a container that was found before. ok is false
// where it has to be found first, or has gone.
func (r *Runtime) ReadUsage(key worker.Key) (u worker.Usage, ok bool) {
	meter := r.groups.get(key)
	if meter == nil {
		return worker.Usage{}, false
	}
	u, err := read(meter)
	return u, err == nil
}

// Usage reads the container's cgroup, by way of the engine where it is not in
// reach. A container that does not run is an error.
func (r *Runtime) Usage(ctx context.Context, key worker.Key) (worker.Usage, error) {
	if group := r.groups.get(key); group != nil {
		if usage, err := read(group); err == nil {
			return usage, nil
		}
		r.groups.forget(key) // it has ended, or the engine will know
	}
	c, err := r.inspect(ctx, key)
	if err != nil {
		return worker.Usage{}, err
	}
	if !c.State.Running {
		return worker.Usage{}, fmt.Errorf("container %s does not run: it uses nothing", containerName(key))
	}
	if group := r.groups.find(key, c); group != nil {
		if usage, err := read(group); err == nil {
			return usage, nil
		}
	}
	return r.askUsage(ctx, key, c.ID)
}

// read reads what a cgroup has used.
func read(meter *cgroup.Meter) (worker.Usage, error) {
	reading, err := meter.Read()
	return worker.Usage(reading), err
}

// askUsage has the engine read the container's cgroup.
func (r *Runtime) askUsage(ctx context.Context, key worker.Key, id string) (worker.Usage, error) {
	answer, err := r.client.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return worker.Usage{}, engineError("usage of container "+containerName(key), err)
	}
	var stats container.StatsResponse
	err = json.NewDecoder(answer.Body).Decode(&stats)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return worker.Usage{}, engineError("usage of container "+containerName(key), err)
	}
	return usageOf(&stats), nil
}

// usageOf takes CPU time and memory from the engine's statistics, the memory
// without reclaimable file pages, which cgroup v1 and v2 name differently.
func usageOf(stats *container.StatsResponse) worker.Usage {
	if stats.Read.IsZero() { // the engine's answer for one that has just ended
		return worker.Usage{CpuSeconds: -1, MemoryBytes: -1}
	}
	used := stats.MemoryStats.Usage
	file, v1 := stats.MemoryStats.Stats["total_inactive_file"]
	if !v1 {
		file = stats.MemoryStats.Stats["inactive_file"]
	}
	return worker.Usage{
		CpuSeconds:  time.Duration(stats.CPUStats.CPUUsage.TotalUsage).Seconds(),
		MemoryBytes: float64(used - min(used, file)),
	}
}
