package docker_test

import (
	"fmt"
	"slices"
	"testing"

	"cube/worker/docker"
	"cube/worker/docker/dockertest"
)

// What a container is given, as the engine itself says.
func testNoPrivileges(t *testing.T, image string) {
	engine := dockertest.Client(t)
	parent := dockertest.CgroupParent(t)
	owner := dockertest.Owner(t)
	runtime := newRuntime(t, owner, func(cfg *docker.Config) { cfg.CgroupParent = parent })
	key, what := newTask(image, "forever")
	what.Name = "web"
	start(t, runtime, key, what)
	c, err := engine.ContainerInspect(t.Context(), "cube-"+key.String())
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	host := c.HostConfig
	for what, wrong := range map[string]bool{
		"is privileged":                 host.Privileged,
		"has capabilities added":        len(host.CapAdd) != 0,
		"has mounts":                    len(host.Binds)+len(host.Mounts)+len(c.Mounts) != 0,
		"has devices":                   len(host.Devices)+len(host.DeviceRequests)+len(host.DeviceCgroupRules) != 0,
		"is in the host's network":      host.NetworkMode.IsHost(),
		"sees the host's processes":     host.PidMode.IsHost(),
		"shares the host's IPC":         host.IpcMode.IsHost(),
		"shares the host's name":        host.UTSMode.IsHost(),
		"may gain privileges":           !slices.Contains(host.SecurityOpt, "no-new-privileges:true"),
		"is restarted by the engine":    host.RestartPolicy.Name != "no",
		"is removed by the engine":      host.AutoRemove,
		"publishes the image's ports":   host.PublishAllPorts,
		"is in another cgroup":          host.CgroupParent != parent,
		"lacks the labels":              c.Config.Labels["cube.owner"] != owner || c.Config.Labels["cube.task"] != what.ID.String() || c.Config.Labels["cube.name"] != "web",
		"has a health check of its own": c.State.Health != nil,
	} {
		if wrong {
			t.Errorf("the container %s: %+v", what, fmt.Sprintf("%+v", host))
		}
	}
}

func testReadOnlyRoot(t *testing.T, image string) {
	owner := dockertest.Owner(t)
	for _, test := range []struct {
		readOnly bool
		code     int
	}{{false, 0}, {true, 2}} {
		runtime := newRuntime(t, owner, func(cfg *docker.Config) { cfg.ReadOnlyRoot = test.readOnly })
		key, what := newTask(image, "write", "/file")
		start(t, runtime, key, what)
		wantCode(t, wait(t, runtime, key), test.code)
	}
}
