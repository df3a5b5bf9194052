package supervise

import (
	"errors"
	"os"
)

// Controllers1 are the v1 controllers that a run needs: two to limit, one to
// measure, one to kill.
func Controllers1() []string { return []string{"cpu", "cpuacct", "memory", "freezer"} }

// start1 moves the calling thread into the group for as long as the fork
// takes: v1 cannot fork into a group, and a child that is moved afterwards has
// had time to fork itself, outside. The caller's goroutine is locked to its
// thread, which is not the first of the process: that one owns the memory.
func (g *Group) start1(own *Group, start func() error) (err error) {
	if own == nil {
		if own, err = OwnGroup1(g.Mount); err != nil {
			return err
		}
	}
	defer func() {
		if back := own.enter1(); back != nil {
			err = errors.Join(err, wrap("the supervisor cannot leave the run's cgroup", back))
		}
	}()
	if err := g.enter1(); err != nil {
		return wrap("the run's cgroup cannot be entered", err)
	}
	return start()
}

// OwnGroup1 is the group of this process.
func OwnGroup1(mount string) (*Group, error) {
	memberships, err := readFile("/proc/self/cgroup")
	if err != nil {
		return nil, wrap("this process' own cgroup", err)
	}
	mounts, err := readFile("/proc/self/mountinfo")
	if err != nil {
		return nil, wrap("this process' own cgroup", err)
	}
	own := &Group{Version: 1, Mount: mount, Paths: map[string]string{}}
	for _, controller := range Controllers1() {
		place, err := ownPath(string(memberships), string(mounts), controller)
		if err != nil {
			return nil, wrap("this process' own cgroup", err)
		}
		own.Paths[controller] = place
	}
	return own, nil
}

// ownPath is where, below the controller's mount, this process' group is: what
// /proc/self/cgroup says, from that directory of the hierarchy on which is mounted,
// which /proc/self/mountinfo says.
func ownPath(memberships, mounts, controller string) (string, error) {
	place := ""
	for line := range split(memberships, '\n') {
		// "4:cpu,cpuacct:/user"
		_, line, _ := cut(line, ':')
		if controllers, path, found := cut(line, ':'); found && hasOption(controllers, controller) {
			place = path
		}
	}
	if place == "" {
		return "", errors.New("it is in none of the controller " + controller)
	}
	for line := range split(mounts, '\n') {
		// "35 32 0:31 /root /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct"
		fields := fields(line)
		if len(fields) < 10 || fields[len(fields)-3] != "cgroup" || !hasOption(fields[len(fields)-1], controller) {
			continue
		}
		root := fields[3]
		if hasPrefix(place, root) && (len(place) == len(root) || place[len(root)] == '/' || root == "/") {
			return "/" + trim(place[len(root):], '/'), nil
		}
		return "", errors.New("it is in " + place + ", and no more than " + root + " of the controller " + controller + " is mounted")
	}
	return "", errors.New("the controller " + controller + " is not mounted")
}

// hasOption reports whether the list, with commas, has the word.
func hasOption(list, word string) bool {
	for option := range split(list, ',') {
		if option == word {
			return true
		}
	}
	return false
}

// enter1 moves the calling thread into the group. It writes "0", not the
// thread's number: for the thread that writes, and for it alone, the kernel
// need not hold up every fork and exit of the machine, which takes an RCU
// grace period of 10 ms or so (cgroup_procs_write_start, Linux 5.5).
func (g *Group) enter1() error {
	for _, controller := range Controllers1() {
		if err := control(g.File(controller, "tasks"), "0"); err != nil {
			return err
		}
	}
	return nil
}

// kill1 freezes the group, so that nothing in it can fork while its processes
// are listed and killed. It does not wait for the freeze, which a process in
// an uninterruptible sleep can hold up: callers repeat it until nothing is
// left.
func (g *Group) kill1() error {
	state := g.File("freezer", "freezer.state")
	err := control(state, "FROZEN")
	err = errors.Join(err, killIn(g.File("freezer", "")))
	err = errors.Join(err, control(state, "THAWED"))
	return ignore(err, os.ErrNotExist)
}
