package cgroup

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// unified is the key of the version 2 hierarchy among the controllers, as it is
// in /proc/PID/cgroup: the empty name.
const unified = ""

// maxFile bounds what is read of any one file: the largest there is honestly,
// mountinfo on a machine of many containers, stays well below it.
const maxFile = 4 << 20

// mount is where a hierarchy can be seen.
type mount struct {
	root string // the group that the mount point shows, "/" for all
	dir  string // the mount point, as this process reaches it
}

// findMounts returns the cgroup mounts by controller. The mount points are those
// of this process's own mount namespace; one below /sys is looked for below
// sysPath, so that a recorded tree, or a host's /sys mounted elsewhere, serves.
func findMounts(procPath, sysPath string) (map[string]mount, error) {
	name := filepath.Join(procPath, "self", "mountinfo")
	text, err := readFile(name)
	if err != nil {
		return nil, fmt.Errorf("finding the cgroup mounts: %w", err)
	}
	found := map[string]mount{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxFile)
	for lines.Scan() {
		controllers, m, ok := parseMount(lines.Text())
		if !ok {
			continue
		}
		if m.dir, ok = reach(m.dir, sysPath); !ok {
			continue
		}
		for _, c := range controllers {
			// A bind mount of a part of a hierarchy may follow: the
			// widest view is the one to keep.
			if known, twice := found[c]; !twice || len(m.root) < len(known.root) {
				found[c] = m
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return found, nil
}

// parseMount reads one line of mountinfo; ok is false for what is no cgroup
// mount. See proc_pid_mountinfo(5).
func parseMount(line string) (controllers []string, m mount, ok bool) {
	left, right, found := strings.Cut(line, " - ")
	fields, tail := strings.Fields(left), strings.Fields(right)
	if !found || len(fields) < 6 || len(tail) < 3 {
		return nil, mount{}, false
	}
	m = mount{root: unescape(fields[3]), dir: unescape(fields[4])}
	switch tail[0] {
	case "cgroup2":
		return []string{unified}, m, true
	case "cgroup":
		// The superblock options name the controllers among others
		// (rw, xattr, release_agent=…): keys nobody asks for do no harm.
		return strings.Split(tail[2], ","), m, true
	default:
		return nil, mount{}, false
	}
}

// reach says where a mount point is for this process, given where sysfs is.
func reach(point, sysPath string) (string, bool) {
	if rest, below := strings.CutPrefix(point, "/sys/"); below {
		point = filepath.Join(sysPath, rest)
	} else if !strings.HasPrefix(point, filepath.Clean(sysPath)+"/") {
		return "", false
	}
	info, err := os.Stat(point)
	return point, err == nil && info.IsDir()
}

var octal = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// unescape undoes the kernel's escapes in mountinfo.
func unescape(s string) string { return octal.Replace(s) }

// readFile reads a whole file of bounded size.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return text, nil
}
