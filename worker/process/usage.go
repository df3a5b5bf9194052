package process

import (
	"context"
	"fmt"

	"github.com/prometheus/procfs"

	"cube/worker"
)

// userHZ is the unit of CPU time in /proc/<pid>/stat: USER_HZ, which is 100 on
// every architecture that Go runs on.
const userHZ = 100

// Usage reads what the run uses from its cgroup or, where it has none, from
// /proc for every process of its tree.
func (rt *Runtime) Usage(_ context.Context, key worker.Key) (worker.Usage, error) {
	r, err := rt.lookup(key)
	if err != nil {
		return worker.Usage{}, err
	}
	if r.ended() {
		return worker.Usage{}, fmt.Errorf("run %s has ended and uses nothing", key)
	}
	if r.record.Cgroup != nil {
		return r.record.Cgroup.usage(), nil
	}
	return treeUsage(r.record.Supervisor.PID)
}

// treeUsage sums what is below the supervisor: the CPU time of living
// processes and of those that were waited for, the supervisor's own left out,
// and memory that is not backed by files. Memory that processes share is
// counted for each.
func treeUsage(supervisor int) (worker.Usage, error) {
	all, err := allProcesses()
	if err != nil {
		return worker.Usage{}, err
	}
	var u worker.Usage
	for _, stat := range all {
		if stat.PID == supervisor {
			u.CpuSeconds += float64(stat.CUTime+stat.CSTime) / userHZ
		}
	}
	for _, stat := range descendants(supervisor, all) {
		u.CpuSeconds += (float64(stat.UTime+stat.STime) + float64(stat.CUTime+stat.CSTime)) / userHZ
		u.MemoryBytes += anonymousBytes(stat.PID)
	}
	return u, nil
}

// anonymousBytes is the resident memory of a process that no file can give
// back; 0 for one that has ended meanwhile.
func anonymousBytes(pid int) float64 {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	status, err := proc.NewStatus()
	if err != nil {
		return 0
	}
	return float64(status.RssAnon + status.RssShmem)
}
