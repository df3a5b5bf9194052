package process

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// runVariable is set in the environment of every task, to the key of its run. What has lost its supervisor, or its record, and is in no
// cgroup is found by it.
const runVariable = "CUBE_RUN"

// allProcesses reads /proc/<pid>/stat of every process there is. One that
// ends meanwhile is left out.
func allProcesses() ([]procfs.ProcStat, error) {
	procs, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	stats := make([]procfs.ProcStat, 0, len(procs))
	for _, p := range procs {
		if stat, err := p.Stat(); err == nil {
			stats = append(stats, stat)
		}
	}
	return stats, nil
}

// descendants are the processes below root in the tree, root left out.
func descendants(root int, all []procfs.ProcStat) []procfs.ProcStat {
	children := map[int][]procfs.ProcStat{}
	for _, stat := range all {
		children[stat.PPID] = append(children[stat.PPID], stat)
	}
	below := children[root]
	for i := 0; i < len(below); i++ {
		below = append(below, children[below[i].PID]...)
	}
	return below
}

// killDescendants sends SIGKILL to all that is below root.
func killDescendants(root int) {
	all, err := allProcesses()
	if err != nil {
		return
	}
	for _, stat := range descendants(root, all) {
		if p, err := pin(stat); err == nil {
			_ = p.signal(unix.SIGKILL)
			_ = p.close()
		}
	}
}

// pin opens the process that was read, or fails if its PID is another's now.
func pin(stat procfs.ProcStat) (*process, error) {
	return identity{PID: stat.PID, Start: stat.Starttime}.open("")
}

// killStrays kills what a run without supervisor has left: the processes of
// its session, and those that carry its key in their environment. It returns
// once there is none.
func killStrays(ctx context.Context, key string, started *startedRecord) error {
	for {
		all, err := allProcesses()
		if err != nil {
			return err
		}
		var strays []*process
		for _, stat := range all {
			if stat.State == "Z" || stat.PID == os.Getpid() || !isStray(stat, key, started) {
				continue
			}
			if p, err := pin(stat); err == nil {
				strays = append(strays, p)
			}
		}
		if len(strays) == 0 {
			return nil
		}
		for _, p := range strays {
			err = errors.Join(err, p.signal(unix.SIGKILL))
		}
		for _, p := range strays {
			err = errors.Join(err, p.waitContext(ctx))
		}
		if err != nil {
			return err
		}
	}
}

// isStray reports whether the process belongs to the run. A session counts
// only if it began with the task: its number may be another's by now.
func isStray(stat procfs.ProcStat, key string, started *startedRecord) bool {
	if started != nil && stat.Session == started.Task.PID && stat.Starttime >= started.Task.Start {
		if leader, err := startTime(stat.Session); err != nil || leader == started.Task.Start {
			return true
		}
	}
	environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(stat.PID), "environ"))
	if err != nil {
		return false
	}
	return bytes.Contains(append([]byte{0}, append(environ, 0)...), []byte("\x00"+runVariable+"="+key+"\x00"))
}
