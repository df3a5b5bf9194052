package collector

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// The narrow parsers stand beside procfs; procfs is the judge. Where both read a
// text, both read the same from it, and no text makes one panic or read a number
// that cannot be.

// judge writes text as the file of that name and has procfs read the tree.
func judge(t testing.TB, name string, text []byte) procfs.FS {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	proc, err := procfs.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return proc
}

// seeds adds the file of every recorded machine, this machine's own, and some
// that are spoiled.
func seeds(f *testing.F, name string, more ...string) {
	f.Helper()
	recordedFiles, err := filepath.Glob(filepath.Join("testdata", "*", "proc", name))
	if err != nil || len(recordedFiles) == 0 {
		f.Fatalf("no recorded %s: %v", name, err)
	}
	for _, path := range append(recordedFiles, filepath.Join("/proc", name)) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // this machine has no such file
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
		f.Add(append(slices.Clone(text), text...))
	}
	for _, text := range append(more, "", "\n", "\x00", strings.Repeat("9", 400)+"\n") {
		f.Add([]byte(text))
	}
}

// possible fails where a number is none that a page may have.
func possible(t *testing.T, what string, values ...float64) {
	t.Helper()
	for _, v := range values {
		if !(v >= 0) || math.IsInf(v, 0) {
			t.Errorf("%s is %v", what, v)
		}
	}
}

func FuzzStat(f *testing.F) {
	seeds(f, "stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nintr 1\n", "cpu  1 2 3 4 5\ncpu0 1\ncpu0 1\nx", "cpu  18446744073709551615 0 0 0\ncpu7 0\nctxt 1\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, online, err := parseStat(text, nil)
		if err != nil {
			return
		}
		if ours.cpus <= 0 || ours.cpus != strings.Count(string(online), ",") {
			t.Errorf("%d CPUs, %q", ours.cpus, online)
		}
		possible(t, "a time", ours.times[:]...)
		theirs, err := judge(t, "stat", text).Stat()
		if err != nil || strings.Count(string(text), "cpu ") > 1 {
			return // procfs reads more of the file, and takes the last line of all CPUs
		}
		want := theirs.CPUTotal
		if got := ours.times; got != (cpuTimes{want.User, want.Nice, want.System, want.Idle, want.Iowait, want.IRQ, want.SoftIRQ,
			want.Steal, want.Guest, want.GuestNice}) {
			t.Errorf("got %v, procfs has %+v", got, want)
		}
	})
}

func FuzzMeminfo(f *testing.F) {
	seeds(f, "meminfo", "MemTotal: 4096\nMemAvailable: 1 kB\n", "MemTotal: 1 MB\n", "MemTotal: 18014398509481984 kB\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, err := parseMeminfo(text)
		if err != nil {
			return
		}
		if ours.total == 0 || ours.available > ours.total {
			t.Errorf("%+v cannot be", ours)
		}
		theirs, err := judge(t, "meminfo", text).Meminfo()
		if err != nil || strings.Count(string(text), "MemTotal:") > 1 || strings.Count(string(text), "MemAvailable:") > 1 {
			return // procfs reads more of the file, and takes the last of two
		}
		if ours.total != *theirs.MemTotalBytes {
			t.Errorf("MemTotal is %d, procfs has %d", ours.total, *theirs.MemTotalBytes)
		}
		if ours.availableKnown != (theirs.MemAvailableBytes != nil) || ours.availableKnown && ours.available != *theirs.MemAvailableBytes {
			t.Errorf("MemAvailable: %+v, procfs has %v", ours, theirs.MemAvailableBytes)
		}
	})
}

func FuzzLoadavg(f *testing.F) {
	seeds(f, "loadavg", "1e400 0 0 1/2 3\n", "Inf 0 0 1/2 3\n", "0x1p-2 0 0 1/2 3\n", "1 2 3 4/5 6 7\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, err := parseLoad(text)
		if err != nil {
			return
		}
		possible(t, "a load", ours.averages[:]...)
		theirs, err := judge(t, "loadavg", text).LoadAvg()
		if err != nil {
			t.Fatalf("procfs refuses %q: %v", text, err)
		}
		if ours.averages != [3]float64{theirs.Load1, theirs.Load5, theirs.Load15} {
			t.Errorf("got %v, procfs has %+v", ours.averages, theirs)
		}
	})
}

func FuzzPressure(f *testing.F) {
	seeds(f, filepath.Join("pressure", "cpu"), "some avg10=200.00 avg60=0.00 avg300=0.00 total=1\n", "some avg10=-1 total=0\n",
		"some avg10=NaN avg60=0 avg300=0 total=1\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, err := parsePressure(text)
		if err != nil {
			return
		}
		for _, s := range []stall{ours.some, ours.full} {
			if possible(t, "a stall", s.ratio, s.seconds); s.ratio > 1 {
				t.Errorf("a ratio of %v", s.ratio)
			}
		}
		theirs, err := judge(t, "pressure/cpu", text).PSIStatsForResource("cpu")
		if err != nil || strings.Count(string(text), "some") > 1 || strings.Count(string(text), "full") > 1 {
			return // procfs reads more of the line, and takes the last of two
		}
		compareStall(t, "some", ours.some, theirs.Some)
		compareStall(t, "full", ours.full, theirs.Full)
	})
}

func compareStall(t *testing.T, kind string, ours stall, theirs *procfs.PSILine) {
	t.Helper()
	if ours.known != (theirs != nil) {
		t.Errorf("%s: got %+v, procfs has %+v", kind, ours, theirs)
	} else if ours.known && (ours.ratio != min(1, theirs.Avg10/100) || ours.seconds != float64(theirs.Total)/1e6) {
		t.Errorf("%s: got %+v, procfs has %+v", kind, ours, *theirs)
	}
}

// Mountinfo is parsed by procfs; what is made of it must hold for any table.
func FuzzMountinfo(f *testing.F) {
	seeds(f, filepath.Join("1", "mountinfo"), `1 0 8:1 / /a\040b\011c\012d\134e rw - ext4 /dev/a\040b rw`+"\n", "1 0 8:1 / \xff\xfe rw - x y z\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := Config{ProcPath: "/proc", DataRoot: "/data"}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		table := newMountTable(cfg, judge(t, "1/mountinfo", text))
		infos, err := table.proc.GetProcMounts(1)
		if err != nil {
			return
		}
		var before []string
		for i, m := range table.choose(infos).mounts {
			if i > 0 && slices.Compare(before, m.labels.Values()) > 0 {
				t.Errorf("%q comes after %q", m.labels.Values(), before)
			}
			before = m.labels.Values()
			for _, value := range before {
				if value != strings.ToValidUTF8(value, "") {
					t.Errorf("label %q is not UTF-8", value)
				}
			}
		}
	})
}

// A machine of 256 CPUs and 2,000 interrupts: the whole way through the file,
// and what is read of it is what procfs reads.
func TestLargeMachine(t *testing.T) {
	text := largeStat(256, 2000)
	c := newCollector(t, Config{ProcPath: treeWith(t, "stat", text)})
	r, err := c.stat.read()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := c.proc.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if r.cpus != 256 || len(theirs.CPU) != 256 || r.times[modeUser] != theirs.CPUTotal.User || r.times[modeGuestNice] != theirs.CPUTotal.GuestNice {
		t.Errorf("%d CPUs, %v; procfs has %d, %+v", r.cpus, r.times, len(theirs.CPU), theirs.CPUTotal)
	}
}

// BenchmarkLargeMachine compares with procfs on 256 CPUs and 2,000 interrupts.
func BenchmarkLargeMachine(b *testing.B) {
	c := newCollector(b, Config{ProcPath: treeWith(b, "stat", largeStat(256, 2000))})
	b.Run("narrow", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.stat.read(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("procfs", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.proc.Stat(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// No reading is a cached one: what changes between two pages shows.
func TestEveryPageIsReadAnew(t *testing.T) {
	dir := copyMachine(t)
	c := newCollector(t, Config{ProcPath: dir})
	for i, text := range []string{"0.25 0 0 1/2 3\n", "0.50 0 0 1/2 3\n", "0.75 0 0 1/2 3\n"} {
		// By turns in place and by a new file of the name.
		if i%2 == 0 {
			writeFile(t, dir, "loadavg", text)
		} else {
			writeFile(t, dir, "loadavg.new", text)
			if err := os.Rename(filepath.Join(dir, "loadavg.new"), filepath.Join(dir, "loadavg")); err != nil {
				t.Fatal(err)
			}
		}
		if got := pageOf(t, c); !has(got, "cube_load1 "+strings.Fields(text)[0][:3]) {
			t.Errorf("after %q:\n%s", text, got)
		}
	}
}

// The kernel's real files, through kept descriptors, again and again: CPU time
// passes, and the descriptors survive a look whether they are still the files.
func TestKeptDescriptorsOnTheRealProc(t *testing.T) {
	now := time.Now()
	c, err := New(Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	before, err := c.stat.read()
	if err != nil {
		t.Fatal(err)
	}
	kept := c.stat.file.fd
	if kept < 0 {
		t.Fatal("the descriptor of /proc/stat is not kept")
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		now = now.Add(recheck)
		after, err := c.stat.read()
		if err != nil {
			t.Fatal(err)
		}
		if c.stat.file.fd != kept {
			t.Fatal("another descriptor, though it is the same file")
		}
		if total(after.times) > total(before.times) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no CPU time passes")
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.stat.read(); err == nil {
		t.Error("a closed collector reads")
	}
}
