package docker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"cube/worker/docker"
	"cube/worker/docker/dockertest"
)

// BenchmarkStart measures what the runtime adds to the engine's own time: in
// turn, a start by the runtime and a bare one, which creates and starts a
// container with the same limits and nothing more. A busy machine moves both;
// what counts is the median of the differences of pairs.
//
//	go test -bench Start -benchtime 50x -run '^$' ./worker/docker
func BenchmarkStart(b *testing.B) {
	image := dockertest.Image(b)
	owner := dockertest.Owner(b)
	engine := dockertest.Client(b)
	runtime := newRuntime(b, owner)
	var own, bare, added []time.Duration
	for b.Loop() {
		key, what := newTask(image, "forever")
		what.Cpu, what.Memory = 0.5, 64<<20
		began := time.Now()
		start(b, runtime, key, what)
		own = append(own, time.Since(began))
		removeNow(b, engine, "cube-"+key.String())

		began = time.Now()
		id := startBare(b, engine, image, owner)
		bare = append(bare, time.Since(began))
		removeNow(b, engine, id)
		added = append(added, own[len(own)-1]-bare[len(bare)-1])
	}
	b.ReportMetric(0, "ns/op") // the sum of both and their removals says nothing
	b.ReportMetric(median(own), "ms/start")
	b.ReportMetric(median(bare), "ms/bare")
	b.ReportMetric(median(added), "ms/added")
}

func startBare(b *testing.B, engine *client.Client, image, owner string) string {
	b.Helper()
	created, err := engine.ContainerCreate(b.Context(), &container.Config{
		Image: image, Cmd: []string{"forever"}, Labels: map[string]string{dockertest.OwnerLabel: owner},
	}, &container.HostConfig{
		Resources: container.Resources{NanoCPUs: 500_000_000, Memory: 64 << 20, MemorySwap: 64 << 20},
	}, nil, nil, "")
	if err != nil {
		b.Fatal(err)
	}
	if err := engine.ContainerStart(b.Context(), created.ID, container.StartOptions{}); err != nil {
		b.Fatal(err)
	}
	return created.ID
}

// median is in milliseconds.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds() * 1e3
}

// BenchmarkUsage reads one container's usage: from its cgroup, and by way of
// the engine.
func BenchmarkUsage(b *testing.B) {
	image := dockertest.Image(b)
	owner := dockertest.Owner(b)
	key, what := newTask(image, "forever")
	start(b, newRuntime(b, owner), key, what)
	for name, sysPath := range map[string]string{"cgroup": "/sys", "engine": b.TempDir()} {
		runtime := newRuntime(b, owner, func(cfg *docker.Config) { cfg.SysPath = sysPath })
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				usage(b, runtime, key)
			}
		})
	}
}

func removeNow(b *testing.B, engine *client.Client, id string) {
	b.Helper()
	if err := engine.ContainerRemove(b.Context(), id, container.RemoveOptions{Force: true}); err != nil {
		b.Fatal(err)
	}
}
