package collector

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// mount is a file system to measure.
type mount struct {
	point, device, fstype string // as the host sees them
	labels                *labels
}

// mountinfoLimit bounds mountinfo: a machine of 10,000 containers has some 4 MB.
const mountinfoLimit = 16 << 20

// mountTable knows the file systems to measure. At every call the kernel is asked
// for its table: whether it has changed since it was read, where the kernel can
// say so, for reading it takes the kernel more time than all other sources
// together. Where it has not, what was made of it still stands.
type mountTable struct {
	cfg  Config
	proc procfs.FS
	file *kernelFile // its lock guards what follows

	text   []byte // what mounts was made of
	mounts []mount
	paths  []string // what to ask statfs for: the mounts in their order, then the data root
}

// newMountTable chooses whose mounts are read. Those of process 1 are the host's,
// also as seen from a container with the host's /proc; who may not read them has
// to do with its own.
func newMountTable(cfg Config, proc procfs.FS) *mountTable {
	path := filepath.Join(cfg.ProcPath, "1", "mountinfo")
	if f, err := os.Open(path); err != nil {
		path = filepath.Join(cfg.ProcPath, "self", "mountinfo")
	} else {
		_ = f.Close() // not read from
	}
	return &mountTable{cfg: cfg, proc: proc, file: newKernelFile(path, mountinfoLimit, cfg.Now)}
}

// read returns the mounts, and the paths to ask. Both are shared: they are not to
// be changed.
func (t *mountTable) read() ([]mount, []string, error) {
	t.file.mu.Lock()
	defer t.file.mu.Unlock()
	if t.mounts != nil && t.file.unchanged() {
		return t.mounts, t.paths, nil
	}
	text, err := t.file.read(never)
	if err != nil {
		t.mounts = nil
		return nil, nil, err
	}
	if t.mounts == nil || !bytes.Equal(text, t.text) {
		if err := t.parse(text); err != nil {
			t.mounts = nil
			return nil, nil, fmt.Errorf("%s: %w", t.file.path, err)
		}
	}
	return t.mounts, t.paths, nil
}

// parse makes the mounts anew, by procfs, which reads the file itself: that may
// be a later table than text, which the next call will then find changed.
func (t *mountTable) parse(text []byte) error {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return errors.New("it is cut off")
	}
	infos, err := t.infos()
	if err != nil {
		return err
	}
	t.mounts = t.choose(infos)
	t.paths = make([]string, 0, len(t.mounts)+1)
	for _, m := range t.mounts {
		t.paths = append(t.paths, filepath.Join(t.cfg.RootPath, m.point))
	}
	t.paths = append(t.paths, t.cfg.DataRoot)
	t.text = bytes.Clone(text)
	return nil
}

func (t *mountTable) infos() ([]*procfs.MountInfo, error) {
	if filepath.Base(filepath.Dir(t.file.path)) == "1" {
		return t.proc.GetProcMounts(1)
	}
	return t.proc.GetMounts()
}

// choose leaves out what the filters leave out, all but one mount of a
// device (bind mounts), and what another mount hides. The mount that holds the
// data root stays, whatever the filters say.
func (t *mountTable) choose(infos []*procfs.MountInfo) []mount {
	visible := map[string]*procfs.MountInfo{} // the last mount on a point hides those before
	for _, info := range infos {
		info.MountPoint = unescape(info.MountPoint)
		visible[info.MountPoint] = info
	}
	dataPoint := t.dataMountPoint(visible)
	chosen := map[string]*procfs.MountInfo{} // by device number
	for point, info := range visible {
		if point != dataPoint && !t.wanted(info) {
			continue
		}
		if other := chosen[info.MajorMinorVer]; other == nil || better(info, other) {
			chosen[info.MajorMinorVer] = info
		}
	}
	mounts := make([]mount, 0, len(chosen))
	for _, info := range chosen {
		mounts = append(mounts, newMount(info))
	}
	slices.SortFunc(mounts, func(a, b mount) int {
		return slices.Compare(a.labels.values, b.labels.values)
	})
	return mounts
}

// newMount makes the labels, which have to be UTF-8; a mount point need not be.
func newMount(info *procfs.MountInfo) mount {
	m := mount{point: info.MountPoint, device: unescape(info.Source), fstype: info.FSType}
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	m.labels = newLabels(diskTotal, valid(m.device), valid(m.fstype), valid(m.point))
	return m
}

func (t *mountTable) wanted(info *procfs.MountInfo) bool {
	only := func(filter *regexp.Regexp, s string) bool { return filter == nil || filter.MatchString(s) }
	if !only(t.cfg.FSTypesInclude, info.FSType) || !only(t.cfg.MountPointsInclude, info.MountPoint) {
		return false
	}
	if t.cfg.FSTypesExclude.MatchString(info.FSType) || t.cfg.MountPointsExclude.MatchString(info.MountPoint) {
		return false
	}
	_, readOnly := info.Options["ro"]
	return !readOnly || t.cfg.ReadOnly
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
func (t *mountTable) dataMountPoint(visible map[string]*procfs.MountInfo) string {
	path, err := filepath.Abs(t.cfg.DataRoot)
	if err != nil {
		return ""
	}
	if inside, err := filepath.Rel(t.cfg.RootPath, path); err == nil && !strings.HasPrefix(inside, "..") {
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
