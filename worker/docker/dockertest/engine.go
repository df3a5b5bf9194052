package dockertest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/google/uuid"
)

// OwnerLabel is the label by which the Docker runtime tells the containers of
// one worker from those of others.
const OwnerLabel = "cube.owner"

const (
	answerTimeout  = 5 * time.Second
	cleanupTimeout = 60 * time.Second
)

// Client connects to the engine that the environment names, or to the one at
// the default socket. The test is skipped where none answers.
func Client(t testing.TB) *client.Client {
	t.Helper()
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatalf("the Docker engine's address: %v", err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Errorf("close the connection to the Docker engine: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	if _, err := engine.Ping(ctx); err != nil {
		t.Skipf("needs a Docker engine: %v", err)
	}
	return engine
}

// Owner returns an owner that nobody else has. At the end of the test every
// container that carries it is removed.
func Owner(t testing.TB) string {
	t.Helper()
	engine := Client(t)
	owner := "test-" + uuid.NewString()
	t.Cleanup(func() { removeAll(t, engine, owner) })
	return owner
}

// removeAll removes the owner's containers. The test's own context has ended
// by then.
func removeAll(t testing.TB, engine *client.Client, owner string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
	defer cancel()
	all, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", OwnerLabel+"="+owner))})
	if err != nil {
		t.Errorf("list the containers of %s: %v", owner, err)
	}
	for _, c := range all {
		if err := remove(ctx, engine, c.ID); err != nil {
			t.Errorf("remove container %v: %v", c.Names, err)
		}
	}
}

// remove removes a container, or waits for whoever does so at the moment.
func remove(ctx context.Context, engine *client.Client, id string) error {
	err := engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsConflict(err) {
		gone, failed := engine.ContainerWait(ctx, id, container.WaitConditionRemoved)
		select {
		case <-gone:
			return nil
		case err = <-failed:
		}
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// CgroupParent names a cgroup for containers to be below, in the words of the
// engine's cgroup driver. It is gone at the end of the test, when the containers
// are: call it before [Owner].
func CgroupParent(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	info, err := Client(t).Info(ctx)
	if err != nil {
		t.Fatalf("ask the Docker engine for its cgroup driver: %v", err)
	}
	name := "cubetest" + uuid.NewString()[:8] // a dash would be a level, to systemd
	if info.CgroupDriver == "systemd" {
		return name + ".slice" // which systemd removes with the last container
	}
	t.Cleanup(func() {
		groups, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
		if err != nil {
			t.Error(err)
		}
		for _, group := range append(groups, "/sys/fs/cgroup/"+name) {
			if err := os.Remove(group); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("remove the containers' cgroup: %v", err)
			}
		}
	})
	return "/" + name
}
