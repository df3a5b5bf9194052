package supervise

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// start2 forks into the group (CLONE_INTO_CGROUP).
func (g *Group) start2(sys *syscall.SysProcAttr, start func() error) error {
	dir, err := os.Open(g.File("", ""))
	if err != nil {
		return fmt.Errorf("the run's cgroup: %w", err)
	}
	defer dir.Close() //nolint:errcheck // only a handle
	sys.UseCgroupFD, sys.CgroupFD = true, int(dir.Fd())
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
