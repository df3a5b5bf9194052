package collector

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// mount is a file system to measure.
type mount struct {
	point, device, fstype string // as the host sees them
}

// readMounts lists the file systems to measure, each once. Those of process 1
// are the host's, also as seen from a container with the host's /proc; who may
// not read them has to do with its own.
func (c *Collector) readMounts() ([]mount, error) {
	infos, err := c.mountInfo(1)
	if err != nil {
		var ownErr error
		if infos, ownErr = c.selfMountInfo(); ownErr != nil {
			return nil, errors.Join(err, ownErr)
		}
	}
	return c.selectMounts(infos), nil
}

func (c *Collector) mountInfo(pid int) ([]*procfs.MountInfo, error) {
	proc, err := c.proc.Proc(pid)
	if err != nil {
		return nil, fmt.Errorf("the mounts of process %d: %w", pid, err)
	}
	return proc.MountInfo()
}

func (c *Collector) selfMountInfo() ([]*procfs.MountInfo, error) {
	self, err := c.proc.Self()
	if err != nil {
		return nil, fmt.Errorf("this process's mounts: %w", err)
	}
	return self.MountInfo()
}

// selectMounts leaves out what the filters leave out, all but one mount of a
// device (bind mounts), and what another mount hides. The mount that holds the
// data root stays, whatever the filters say.
func (c *Collector) selectMounts(infos []*procfs.MountInfo) []mount {
	visible := map[string]*procfs.MountInfo{} // the last mount on a point hides those before
	for _, info := range infos {
		info.MountPoint = unescape(info.MountPoint)
		visible[info.MountPoint] = info
	}
	dataPoint := c.dataMountPoint(visible)
	chosen := map[string]*procfs.MountInfo{} // by device number
	for point, info := range visible {
		if point != dataPoint && !c.wanted(info) {
			continue
		}
		if other := chosen[info.MajorMinorVer]; other == nil || better(info, other) {
			chosen[info.MajorMinorVer] = info
		}
	}
	mounts := make([]mount, 0, len(chosen))
	for _, info := range chosen {
		mounts = append(mounts, mount{
			// A label has to be UTF-8; a mount point need not be.
			point:  info.MountPoint,
			device: strings.ToValidUTF8(unescape(info.Source), "\uFFFD"),
			fstype: info.FSType,
		})
	}
	slices.SortFunc(mounts, func(a, b mount) int { return cmp.Compare(a.point, b.point) })
	return mounts
}

func (c *Collector) wanted(info *procfs.MountInfo) bool {
	if c.cfg.FSTypesExclude.MatchString(info.FSType) || c.cfg.MountPointsExclude.MatchString(info.MountPoint) {
		return false
	}
	_, readOnly := info.Options["ro"]
	return !readOnly || c.cfg.ReadOnly
}

// better reports whether a stands for a device rather than b: the mount of its
// root rather than a bind mount of a part, then the shorter path.
func better(a, b *procfs.MountInfo) bool {
	if (a.Root == "/") != (b.Root == "/") {
		return a.Root == "/"
	}
	return cmp.Or(cmp.Compare(len(a.MountPoint), len(b.MountPoint)), cmp.Compare(a.MountPoint, b.MountPoint)) < 0
}

// dataMountPoint is the mount point that the data root lies below.
func (c *Collector) dataMountPoint(visible map[string]*procfs.MountInfo) string {
	path, err := filepath.Abs(c.cfg.DataRoot)
	if err != nil {
		return ""
	}
	if inside, err := filepath.Rel(c.cfg.RootPath, path); err == nil && !strings.HasPrefix(inside, "..") {
		path = filepath.Join("/", inside)
	}
	for {
		if visible[path] != nil {
			return path
		}
		if path == "/" {
			return ""
		}
		path = filepath.Dir(path)
	}
}

// unescape undoes the octal escapes of mountinfo (proc_pid_mountinfo(5)): space,
// tab, newline and backslash.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#").Replace(text)
}
