package process

import (
	"context"
	"fmt"
	"sync"

	"github.com/prometheus/procfs"

	"cube/collector/cgroup"
	"cube/worker"
	"cube/worker/process/supervise"
)

// userHZ is the unit of CPU time in /proc/<pid>/stat: USER_HZ, which is 100 on
// every architecture that Go runs on.
const userHZ = 100

var _ worker.Meter = (*Runtime)(nil)

// ReadUsage reads what the run uses from its cgroup, whose files are kept open
// from the first reading until the run has ended. ok is false where the run has
// no cgroup, or has ended.
func (rt *Runtime) ReadUsage(key worker.Key) (u worker.Usage, ok bool) {
	r := rt.find(key)
	if r == nil || r.ended() || r.record.Cgroup == nil || r.started == nil || rt.reader == nil {
		return worker.Usage{}, false
	}
	m := r.meter.get(func() (*cgroup.Meter, error) {
		g, err := rt.cgroupOf(r.started.Task)
		if err != nil {
			return nil, err
		}
		return g.Meter()
	})
	if m == nil {
		return worker.Usage{}, false
	}
	reading, err := m.Read()
	return worker.Usage(reading), err == nil
}

// keptMeter is the meter of one run: opened when it is first asked for, closed
// with the run.
type keptMeter struct {
	mu     sync.Mutex // guards what follows
	meter  *cgroup.Meter
	closed bool
}

// get returns the meter, which open makes; nil where that fails or it is closed.
func (k *keptMeter) get(open func() (*cgroup.Meter, error)) *cgroup.Meter {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.meter == nil && !k.closed {
		if m, err := open(); err == nil {
			k.meter = m
		}
	}
	return k.meter
}

func (k *keptMeter) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.meter != nil {
		k.meter.Close()
	}
	k.meter, k.closed = nil, true
}

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
	if r.record.Cgroup == nil || r.started == nil || rt.reader == nil {
		return treeUsage(r.record.Supervisor.PID)
	}
	g, err := rt.cgroupOf(r.started.Task)
	if err != nil {
		return worker.Usage{}, fmt.Errorf("the usage of run %s: %w", key, err)
	}
	m, err := g.Meter()
	if err != nil {
		return worker.Usage{}, fmt.Errorf("the usage of run %s: %w", key, err)
	}
	defer m.Close()
	u, err := m.Read()
	return worker.Usage(u), err
}

// cgroupOf finds the cgroup that the process is in.
func (rt *Runtime) cgroupOf(id supervise.Identity) (*cgroup.Group, error) {
	g, err := rt.reader.OfPID(id.PID)
	if err != nil {
		return nil, err
	}
	// After, so that it was that process which was asked.
	if start, err := supervise.StartTime(id.PID); err != nil || start != id.Start {
		return nil, supervise.ErrGone
	}
	return g, nil
}

// treeUsage sums what is below the supervisor: the CPU time of living
// processes and of those that were waited for, the supervisor's own left out,
// and memory that is not backed by files. Memory that processes share is
// counted for each.
func treeUsage(root int) (worker.Usage, error) {
	all, err := supervise.Processes()
	if err != nil {
		return worker.Usage{}, err
	}
	var u worker.Usage
	if stat, err := statOf(root); err == nil {
		u.CpuSeconds += float64(stat.CUTime+stat.CSTime) / userHZ
	}
	for _, below := range supervise.Descendants(root, all) {
		stat, err := statOf(below.PID)
		if err != nil {
			continue // ended meanwhile
		}
		u.CpuSeconds += (float64(stat.UTime+stat.STime) + float64(stat.CUTime+stat.CSTime)) / userHZ
		u.MemoryBytes += anonymousBytes(below.PID)
	}
	return u, nil
}

func statOf(pid int) (procfs.ProcStat, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return procfs.ProcStat{}, err
	}
	return proc.Stat()
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
