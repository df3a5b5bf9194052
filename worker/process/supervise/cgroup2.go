package supervise

import (
	"errors"
	"os"
	"syscall"
)

// start2 forks into the group (CLONE_INTO_CGROUP).
func (g *Group) start2(sys *syscall.SysProcAttr, start func() error) error {
	dir, err := open(g.File("", ""), syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return wrap("the run's cgroup", err)
	}
	defer syscall.Close(dir) //nolint:errcheck // only a handle
	sys.UseCgroupFD, sys.CgroupFD = true, dir
	return start()
}

// kill2 kills the group at once, or, before Linux 5.14, one after the other while
// it is frozen, so that none can fork meanwhile.
func (g *Group) kill2() error {
	err := control(g.File("", "cgroup.kill"), "1")
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	freeze := g.File("", "cgroup.freeze")
	err = control(freeze, "1")
	err = errors.Join(err, killIn(g.File("", "")))
	err = errors.Join(err, control(freeze, "0"))
	return ignore(err, os.ErrNotExist)
}
