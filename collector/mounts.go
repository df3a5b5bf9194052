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

	"cube/collector/families"
)

// mount is a file system to measure.
type mount struct {
	point, device, fstype string // as the host sees them
	labels                *families.Labels
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

	text  []byte // what asked was made of; nil where that has to be made anew
	asked disksToAsk
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

// disksToAsk are the mounts, the place to ask for each, and which of the places
// is the data root: one beyond the mounts' where none of them holds it. They are
// shared, and not to be changed.
type disksToAsk struct {
	mounts []mount
	places []place
	data   int
}

// read returns what there is to ask now.
func (t *mountTable) read() (disksToAsk, error) {
	t.file.mu.Lock()
	defer t.file.mu.Unlock()
	if t.text != nil && t.file.unchanged() {
		return t.asked, nil
	}
	text, err := t.file.read(never)
	if err != nil {
		t.text = nil
		return disksToAsk{}, err
	}
	if t.text == nil || !bytes.Equal(text, t.text) {
		if err := t.parse(text); err != nil {
			t.text = nil
			return disksToAsk{}, fmt.Errorf("%s: %w", t.file.path, err)
		}
	}
	return t.asked, nil
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
	t.asked = t.choose(infos)
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
func (t *mountTable) choose(infos []*procfs.MountInfo) disksToAsk {
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
	var mounts []mount
	for _, info := range chosen {
		mounts = append(mounts, newMount(info))
	}
	slices.SortFunc(mounts, func(a, b mount) int {
		return slices.Compare(a.labels.Values(), b.labels.Values())
	})
	// Names that are not UTF-8 may look alike as labels; two equal series would
	// make the page invalid. The data root's stays.
	mounts = slices.CompactFunc(mounts, func(a, b mount) bool {
		return b.point != dataPoint && slices.Equal(a.labels.Values(), b.labels.Values())
	})
	return t.placesOf(mounts, dataPoint, visible)
}

// placesOf says where to ask. The mount that holds the data root is asked there:
// where a quota bounds that directory the answer is the quota's, and a mount that
// hangs holds up one call, not two.
func (t *mountTable) placesOf(mounts []mount, dataPoint string, visible map[string]*procfs.MountInfo) disksToAsk {
	asked := disksToAsk{mounts: mounts, data: len(mounts)}
	data := place{t.cfg.DataRoot, t.prompt(t.cfg.DataRoot, visible)}
	for i, m := range mounts {
		if m.point == dataPoint {
			asked.data = i
			asked.places = append(asked.places, data)
			continue
		}
		path := filepath.Join(t.cfg.RootPath, m.point)
		asked.places = append(asked.places, place{path, t.prompt(path, visible)})
	}
	if asked.data == len(mounts) {
		asked.places = append(asked.places, data)
	}
	return asked
}

// promptTypes are the file systems whose statfs adds up counters in memory: it
// waits neither for a device nor for another machine.
var promptTypes = []string{"ext2", "ext3", "ext4", "tmpfs", "xfs"}

// prompt reports whether statfs of a path cannot hang: all that is mounted on the
// way there is of the prompt types, and no link leads elsewhere. The way itself is
// in the kernel's memory: mount points stay there, and so does what is in use.
func (t *mountTable) prompt(path string, visible map[string]*procfs.MountInfo) bool {
	if t.cfg.RootPath != "/" || visible["/"] == nil {
		return false // the way begins on a mount that the table does not have
	}
	for way := path; ; way = filepath.Dir(way) {
		if on := visible[way]; on != nil && !slices.Contains(promptTypes, on.FSType) {
			return false
		}
		if way == "/" {
			break
		}
	}
	resolved, err := filepath.EvalSymlinks(path) // which meets nothing now that could hang, but behind a link
	return err == nil && resolved == path
}

// newMount makes the labels, which have to be UTF-8; a mount point need not be.
func newMount(info *procfs.MountInfo) mount {
	m := mount{point: info.MountPoint, device: unescape(info.Source), fstype: info.FSType}
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	m.labels = families.NewLabels(diskLabels, valid(m.device), valid(m.fstype), valid(m.point))
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
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
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
