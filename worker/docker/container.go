package docker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

// The labels a container carries.
const (
	labelOwner      = "cube.owner"
	labelTask       = "cube.task"
	labelAllocation = "cube.allocation"
	labelRestart    = "cube.restart"
	labelName       = "cube.name"
	labelBoot       = "cube.boot" // of the machine, when the container was made
)

// containerName is the name a run's container has.
func containerName(key worker.Key) string { return "cube-" + key.String() }

// labels are what a run's container is known by. The name is for people.
func (r *Runtime) labels(key worker.Key, name string) map[string]string {
	return map[string]string{
		labelOwner:      r.cfg.Owner,
		labelTask:       key.Task.String(),
		labelAllocation: strconv.FormatUint(key.Allocation, 10),
		labelRestart:    strconv.Itoa(key.Restart),
		labelName:       name,
		labelBoot:       r.boot.id,
	}
}

// keyOf reads back what labels wrote.
func keyOf(labels map[string]string) (worker.Key, error) {
	id, errTask := uuid.Parse(labels[labelTask])
	allocation, errAllocation := strconv.ParseUint(labels[labelAllocation], 10, 64)
	restart, errRestart := strconv.Atoi(labels[labelRestart])
	if err := errors.Join(errTask, errAllocation, errRestart); err != nil {
		return worker.Key{}, fmt.Errorf("its labels name no run: %w", err)
	}
	return worker.Key{Task: id, Allocation: allocation, Restart: restart}, nil
}

// inspect returns the container of a run that was started. A container that
// was made but never started is no run yet, and one of another owner is none
// of ours: both are [worker.ErrUnknownRun].
func (r *Runtime) inspect(ctx context.Context, key worker.Key) (container.InspectResponse, error) {
	c, err := r.find(ctx, containerName(key))
	if err != nil {
		return c, err
	}
	if c.State.Status == container.StateCreated {
		return c, fmt.Errorf("container %s was never started: %w", containerName(key), worker.ErrUnknownRun)
	}
	return c, nil
}

// find returns the owner's container of that name, in whatever state it is.
func (r *Runtime) find(ctx context.Context, name string) (container.InspectResponse, error) {
	c, err := r.client.ContainerInspect(ctx, name)
	switch {
	case errdefs.IsNotFound(err):
		return c, fmt.Errorf("container %s: %w", name, worker.ErrUnknownRun)
	case err != nil:
		return c, engineError("inspect container "+name, err)
	case c.ContainerJSONBase == nil || c.State == nil || c.Config == nil:
		return c, fmt.Errorf("inspect container %s: the engine's answer has no state", name)
	case c.Config.Labels[labelOwner] != r.cfg.Owner:
		return c, fmt.Errorf("container %s: %w", name, errForeign)
	}
	return c, nil
}

// runOf says in the worker's words what the engine says of a container.
func (r *Runtime) runOf(key worker.Key, c container.InspectResponse) worker.Run {
	run := worker.Run{Key: key, Handle: c.ID, StartTime: engineTime(c.State.StartedAt)}
	if c.NetworkSettings != nil {
		run.HostPorts = hostPorts(c.NetworkSettings.Ports)
	}
	if !c.State.Running {
		exit := exitOf(c, r.boot)
		run.Exit = &exit
	}
	return run
}

// exitOf is how a container ended, as seen in this boot of the machine. What
// nobody has seen is not passed on as if somebody had.
func exitOf(c container.InspectResponse, now boot) worker.Exit {
	state := c.State
	exit := worker.Exit{OOMKilled: state.OOMKilled, Time: engineTime(state.FinishedAt), Error: state.Error}
	if now.interrupted(c) {
		exit.Error = "the machine was restarted while it ran; its exit code is not known"
		return exit
	}
	code := state.ExitCode
	exit.Code = &code
	return exit
}

// engineTime reads the engine's timestamps. It writes year 1 for "never",
// which is Go's zero time.
func engineTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// hostPorts are the ports as the engine gave them. Ports that are exposed but
// not published are left out.
func hostPorts(ports nat.PortMap) map[string][]task.PortBinding {
	given := make(map[string][]task.PortBinding, len(ports))
	for port, bindings := range ports {
		for _, b := range bindings {
			given[string(port)] = append(given[string(port)], task.PortBinding{HostIp: b.HostIP, HostPort: b.HostPort})
		}
	}
	if len(given) == 0 {
		return nil
	}
	return given
}
