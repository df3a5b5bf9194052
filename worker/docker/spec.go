package docker

import (
	"math"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"cube/worker"
	"cube/worker/task"
)

// What the engine and the kernel can express.
const (
	minCpu       = 0.01       // cores; the engine refuses less
	sharesPerCpu = 1024       // the kernel's weight of one core
	minShares    = 2          // the kernel's bounds of a weight
	maxShares    = 256 * 1024 //
	nanosPerCpu  = 1e9
)

// containerConfig is what the task brings along itself.
func (r *Runtime) containerConfig(key worker.Key, t *task.Task) *container.Config {
	exposed := make(nat.PortSet, len(t.ExposedPorts)+len(t.PortBindings))
	for port := range r.portBindings(t) {
		exposed[port] = struct{}{}
	}
	return &container.Config{
		Image:        t.Image,
		Cmd:          t.Command,
		Env:          t.Env,
		User:         t.User,
		WorkingDir:   t.WorkingDir,
		ExposedPorts: exposed,
		Labels:       r.labels(key, t.Name),
		Healthcheck:  &container.HealthConfig{Test: []string{"NONE"}},
	}
}

// hostConfig is what the machine gives the task, and what it keeps from it.
func (r *Runtime) hostConfig(t *task.Task) *container.HostConfig {
	return &container.HostConfig{
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		PortBindings:   r.portBindings(t),
		ReadonlyRootfs: r.cfg.ReadOnlyRoot,
		SecurityOpt:    []string{"no-new-privileges:true"},
		Resources: container.Resources{
			NanoCPUs:     nanoCpus(t.Cpu, r.info.NCPU),
			CPUShares:    cpuShares(t.Promise().Cpu),
			Memory:       int64(t.Memory),
			MemorySwap:   int64(t.Memory), // memory and swap together: no swap on top
			CgroupParent: r.cfg.CgroupParent,
		},
	}
}

// portBindings are all the ports to publish; see the package's comment.
func (r *Runtime) portBindings(t *task.Task) nat.PortMap {
	bindings := make(nat.PortMap, len(t.ExposedPorts)+len(t.PortBindings))
	for port := range t.ExposedPorts {
		bindings[natPort(port)] = []nat.PortBinding{{HostIP: r.cfg.PublishAddress}}
	}
	for port, host := range t.PortBindings {
		bindings[natPort(port)] = []nat.PortBinding{{HostIP: r.cfg.PublishAddress, HostPort: host}}
	}
	return bindings
}

// natPort names a port as the engine does: "8080" is "8080/tcp".
func natPort(port string) nat.Port {
	if !strings.Contains(port, "/") {
		port += "/tcp"
	}
	return nat.Port(port)
}

// nanoCpus is the limit for so many cores, 0 for none. A limit of all the
// cores there are or more bounds nothing; the engine wants it written as all.
func nanoCpus(cpu float64, cores int) int64 {
	if cpu == 0 {
		return 0
	}
	return int64(math.Round(min(max(cpu, minCpu), float64(cores)) * nanosPerCpu))
}

// cpuShares is the weight of a task that was promised so many cores.
func cpuShares(cpu float64) int64 {
	return int64(min(max(math.Round(cpu*sharesPerCpu), minShares), maxShares))
}
