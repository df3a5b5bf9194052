package process

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/process/supervise"
	"cube/worker/task"
)

// runRecord is run.json.
type runRecord struct {
	Version    int
	Key        worker.Key
	Supervisor supervise.Identity
	Cgroup     *supervise.Group              `json:",omitempty"`
	HostPorts  map[string][]task.PortBinding `json:",omitempty"`
	Created    time.Time
	// What a command that joins the run needs beside the task's environment,
	// which is read from the kernel.
	WorkingDir string
	Credential *syscall.Credential `json:",omitempty"`
}

// exitOf is the record as the worker knows it.
func exitOf(r supervise.Exit) worker.Exit {
	return worker.Exit{Code: r.Code, OOMKilled: r.OOMKilled, Time: r.Time, Error: r.Error}
}

// Check refuses a record that this version cannot have written.
func (r runRecord) Check() error {
	if r.Supervisor.PID <= 0 || r.Supervisor.BootID == "" {
		return errors.New("it names no supervisor")
	}
	return supervise.CheckVersion(r.Version)
}

// parseKey reads a key as Key.String writes it.
func parseKey(name string) (worker.Key, error) {
	const idLen = 36 // a UUID with its hyphens
	if len(name) > idLen && name[idLen] == '-' {
		id, err := uuid.Parse(name[:idLen])
		allocation, restart, found := strings.Cut(name[idLen+1:], "-")
		a, errA := strconv.ParseUint(allocation, 10, 64)
		r, errR := strconv.Atoi(restart)
		key := worker.Key{Task: id, Allocation: a, Restart: r}
		if found && errors.Join(err, errA, errR) == nil && key.String() == name {
			return key, nil
		}
	}
	return worker.Key{}, fmt.Errorf("%q is not the key of a run", name)
}
