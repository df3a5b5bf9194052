package supervise

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Mountpoint is where every distribution mounts cgroups, and the one place
// that the worker's library of cgroups looks at.
const Mountpoint = "/sys/fs/cgroup"

// Group is the cgroup of one run. It is written into the run's record, and
// told to the supervisor. It holds nothing open. All methods take nil for a run
// without one.
type Group struct {
	Version int // 1 or 2
	Mount   string
	// Paths are below Mount/<controller> for v1, below Mount for v2, whose
	// only key is "".
	Paths map[string]string
}

// Start has the fork that start is happen inside the group, from the child's first
// instruction on. sys is what it forks with; own is this process' group, which v1
// needs; nil has it looked up.
func (g *Group) Start(sys *syscall.SysProcAttr, own *Group, start func() error) error {
	switch {
	case g == nil:
		return start()
	case g.Version == 1:
		return g.start1(own, start)
	}
	return g.start2(sys, start)
}

// Kill sends SIGKILL to every process in the group and below it.
func (g *Group) Kill() error {
	switch {
	case g == nil:
		return nil
	case g.Version == 1:
		return g.kill1()
	}
	return g.kill2()
}

// Remove deletes the group, which has to be empty; one that is not there is no
// error.
func (g *Group) Remove() error {
	if g == nil {
		return nil
	}
	var errs []error
	for controller := range g.Paths {
		errs = append(errs, removeGroup(g.File(controller, "")))
	}
	return errors.Join(errs...)
}

// OOMKilled reports whether the kernel killed a process of the group because
// the group was at its memory limit.
func (g *Group) OOMKilled() bool {
	var kills float64
	var err error
	switch {
	case g == nil:
		return false
	case g.Version == 1:
		kills, err = readKey(g.File("memory", "memory.oom_control"), "oom_kill")
	default:
		kills, err = readKey(g.File("", "memory.events"), "oom_kill")
	}
	return err == nil && kills > 0
}

// File is the group's file of that name, of a controller on v1; of "" on v2.
func (g *Group) File(controller, name string) string {
	return join(g.Mount, controller, g.Paths[controller], name)
}

// removeGroup deletes one directory of a group with what is below it. The kernel
// takes a moment, after the last process has ended, until it lets go of it.
func removeGroup(dir string) error {
	const tries, most = 5, 80 * time.Millisecond
	for pause := most >> (tries - 2); ; pause *= 2 {
		pids, err := processesIn(dir)
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENODEV): // on v1, of one that is just being removed
			return nil
		case err != nil:
			return err
		case len(pids) > 0:
			return errors.New("the cgroup " + dir + " cannot be removed: there are processes in it, " + strconv.Itoa(pids[0]) + " among them")
		}
		err = os.RemoveAll(dir)
		if err == nil || pause > most {
			return err
		}
		<-time.After(pause)
	}
}

// processesIn lists the processes of a group and of those below it.
func processesIn(dir string) ([]int, error) {
	text, err := readFile(join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, field := range fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		below, err := processesIn(join(dir, entry.Name()))
		if ignore(err, os.ErrNotExist) != nil {
			return nil, err
		}
		pids = append(pids, below...)
	}
	return pids, err
}

// killIn sends SIGKILL to every process of a group and of those below it, but
// this one.
func killIn(dir string) error {
	pids, err := processesIn(dir)
	for _, pid := range pids {
		if pid != os.Getpid() && pid != 0 { // 0: of another PID namespace
			err = errors.Join(err, ignore(syscall.Kill(pid, syscall.SIGKILL), syscall.ESRCH))
		}
	}
	return err
}

// readKey returns the number after the key in a file of "key number" lines.
func readKey(path, key string) (float64, error) {
	text, err := readFile(path)
	if err != nil {
		return 0, err
	}
	for line := range split(string(text), '\n') {
		if name, value, found := cut(line, ' '); found && name == key {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.New(path + " has no line " + key)
}
