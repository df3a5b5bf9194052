package collector

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// A file system that is mounted or unmounted while the collector runs is on the
// next page, and off the one after.
func TestRealMountsComeAndGo(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	c, err := New(Config{DataRoot: "/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	measured := func(point string) bool {
		t.Helper()
		asked, err := c.mounts.read()
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(asked.mounts, func(m mount) bool { return m.point == point })
	}
	dir := filepath.Join(t.TempDir(), "with space")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.mounts.cfg.FSTypesExclude = c.mounts.cfg.MountPointsExclude // tmpfs counts for once
	for range 2 {
		if measured(dir) {
			t.Fatal("measured before it is mounted")
		}
		if err := unix.Mount("cube-test", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Skipf("this machine cannot mount a tmpfs: %v", err)
		}
		seen := measured(dir)
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		if !seen {
			t.Fatal("not measured though mounted")
		}
	}
}

// A data root may be given from the working directory on, as --data-dir is.
func TestRelativeDataRoot(t *testing.T) {
	var read [2]diskReading
	dir := t.TempDir()
	t.Chdir(dir)
	for i, root := range []string{".", dir} {
		c, err := New(Config{DataRoot: root})
		if err != nil {
			t.Fatal(err)
		}
		read[i], err = c.readDataRoot()
		if err := errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if read[0].total == 0 || read[0].total != read[1].total {
		t.Errorf("of %v bytes from here on, and of %v from the root on", read[0].total, read[1].total)
	}
}

// The mounts of the recorded machine: each device once, what hides and what is
// hidden, and the mount that holds the data root whatever the filters say.
func TestChoiceOfMounts(t *testing.T) {
	const root = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	for name, test := range map[string]struct {
		table string
		cfg   Config
		want  []string // device at mount point, from path
	}{
		"a bind mount of a part": {root + "23 22 8:1 /srv /bind rw - ext4 /dev/sda1 rw\n", Config{}, []string{"/dev/sda1 at / from /"}},
		"bind mounts only, the shorter": {"23 1 8:1 /b /bind/b rw - ext4 /dev/sda1 rw\n24 1 8:1 /a /a rw - ext4 /dev/sda1 rw\n", Config{DataRoot: "/x"},
			[]string{"/dev/sda1 at /a from /a", "from /x"}},
		"a mount over a mount":  {root + "23 22 8:2 / /mnt rw - ext4 /dev/old rw\n24 23 8:3 / /mnt rw - xfs /dev/new rw\n", Config{}, []string{"/dev/new at /mnt from /mnt", "/dev/sda1 at / from /"}},
		"escapes":               {root + `23 22 8:2 / /a\040b\011c\134d rw - ext4 /dev/my\040disk rw` + "\n", Config{}, []string{"/dev/my disk at /a b\tc\\d from /a b\tc\\d", "/dev/sda1 at / from /"}},
		"not UTF-8":             {root + "23 22 8:2 / /a\xff rw - ext4 /dev/sdb rw\n", Config{}, []string{"/dev/sda1 at / from /", "/dev/sdb at /a\uFFFD from /a\xff"}},
		"pseudo, and read-only": {root + "23 22 0:5 / /proc rw - proc proc rw\n24 22 0:6 / /tmp rw - tmpfs tmpfs rw\n25 22 11:0 / /cd ro - ext4 /dev/sr0 ro\n", Config{}, []string{"/dev/sda1 at / from /"}},
		"the data root in memory": {root + "24 22 0:6 / /tmp rw - tmpfs tmpfs rw\n", Config{DataRoot: "/tmp/none/data"},
			[]string{"/dev/sda1 at / from /", "tmpfs at /tmp from /tmp/none/data"}},
		"only what is asked for": {root + "23 22 8:2 / /mnt rw - xfs /dev/sdb rw\n", Config{DataRoot: "/mnt/none", FSTypesInclude: regexp.MustCompile("^btrfs$")},
			[]string{"/dev/sdb at /mnt from /mnt/none"}},
		"a host's root elsewhere": {root + "23 22 8:2 / /mnt rw - xfs /dev/sdb rw\n", Config{RootPath: "/host", DataRoot: "/host/mnt/none"},
			[]string{"/dev/sda1 at / from /host", "/dev/sdb at /mnt from /host/mnt/none"}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.cfg.DataRoot == "" {
				test.cfg.DataRoot = "/"
			}
			test.cfg.ProcPath = treeWith(t, "1/mountinfo", test.table)
			asked, err := newCollector(t, test.cfg).mounts.read()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, place := range asked.places {
				line := "from " + place.path
				if i < len(asked.mounts) {
					m := asked.mounts[i]
					line = m.device + " at " + m.labels.Values()[2] + " " + line
				}
				got = append(got, line)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if asked.places[asked.data].path != test.cfg.DataRoot {
				t.Errorf("the data root is asked at %s", asked.places[asked.data].path)
			}
		})
	}
}

// Only what cannot hang is asked without a deadline.
func TestWhatCannotHangIsPrompt(t *testing.T) {
	const root = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/", link); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		table string
		cfg   Config
		want  bool
	}{
		"a local file system":      {root, Config{DataRoot: "/"}, true},
		"a directory on it":        {root, Config{DataRoot: "/proc"}, true},
		"by a link":                {root, Config{DataRoot: link}, false},
		"not there":                {root, Config{DataRoot: "/none/data"}, false},
		"a network's":              {root + "23 22 0:40 / /proc rw - nfs4 there:/ rw\n", Config{DataRoot: "/proc"}, false},
		"below a network's":        {root + "23 22 0:40 / /proc rw - fuse.sshfs there:/ rw\n24 23 8:2 / /proc/self/.. rw - ext4 /dev/sdb rw\n", Config{DataRoot: "/proc/sys"}, false},
		"hidden by a network's":    {root + "23 22 8:2 / /proc rw - ext4 /dev/sdb rw\n24 23 0:40 / /proc rw - nfs there:/ rw\n", Config{DataRoot: "/proc"}, false},
		"a container's layers":     {"22 1 0:40 / / rw - overlay overlay rw\n", Config{DataRoot: "/"}, false},
		"a host's root elsewhere":  {root, Config{RootPath: "/proc", DataRoot: "/proc"}, false},
		"a root that is not in it": {"23 22 8:2 / /proc rw - ext4 /dev/sdb rw\n", Config{DataRoot: "/proc"}, false},
	} {
		test.cfg.ProcPath = treeWith(t, "1/mountinfo", test.table)
		asked, err := newCollector(t, test.cfg).mounts.read()
		if err != nil {
			t.Fatal(err)
		}
		if got := asked.places[asked.data].prompt; got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Two mounts of the same labels failed the whole page (node_exporter#2805). Here it takes names that are no UTF-8 to look alike.
func TestMountsThatLookAlikeDoNotFailThePage(t *testing.T) {
	c := newCollector(t, Config{ProcPath: treeWith(t, "1/mountinfo",
		"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:31 / /a\xfe rw - overlay none rw\n24 22 0:32 / /a\xff rw - overlay none rw\n"), FSTypesExclude: regexp.MustCompile("^proc$")})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	if _, err := registry.Gather(); err != nil {
		t.Errorf("the page: %v", err)
	}
	if got := pageOf(t, c); strings.Count(got, "cube_disk_device_error{device=\"none\"") != 1 {
		t.Errorf("not one of the two:\n%s", got)
	}
}
