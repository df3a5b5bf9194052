package cgroup_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"cube/collector/cgroup"
)

// A meter says what its group says, of every recorded tree, again and again.
func TestMeterSaysWhatTheGroupSays(t *testing.T) {
	for _, test := range []struct {
		tree string
		pid  int
	}{{"v1", 4242}, {"v1container", 0}, {"v2", 4242}, {"v2", 1}, {"hybrid", 4242}} {
		t.Run(test.tree+strconv.Itoa(test.pid), func(t *testing.T) {
			r, err := cgroup.New(tree(t, test.tree))
			if err != nil {
				t.Fatal(err)
			}
			g, err := r.OfPID(test.pid)
			if err != nil {
				t.Fatal(err)
			}
			m, err := g.Meter()
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			for range 2 {
				cpu, errCpu := g.CpuSeconds()
				memory, errMemory := g.MemoryBytes()
				got, err := m.Read()
				if want := (cgroup.MeterReading{CpuSeconds: cpu, MemoryBytes: memory}); err != nil || errCpu != nil || errMemory != nil || got != want {
					t.Errorf("%+v, %v; the group says %+v, %v, %v", got, err, want, errCpu, errMemory)
				}
			}
		})
	}
}

// A meter is that of its group alone: not of one that is made later under the
// same name, and of none once it is closed.
func TestMeterOfAGroupThatIsGone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("making a cgroup needs root")
	}
	name := "cube-meter-test-" + strconv.Itoa(os.Getpid())
	dirs := makeGroup(t, name)
	r, err := cgroup.New("/proc", "/sys")
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.At(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := g.Meter()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := m.Read(); err != nil || r.CpuSeconds < 0 || r.MemoryBytes < 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, dir := range dirs {
		removeGroup(t, dir)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := m.Read(); !errors.Is(err, fs.ErrNotExist) || r.CpuSeconds >= 0 || r.MemoryBytes >= 0 {
		t.Errorf("a removed group: %+v, %v", r, err)
	}
	m.Close()
	if _, err := m.Read(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed meter: %v", err)
	}
}

// The part of the memory that is file pages is not read again of a group that
// does nothing, and is as soon as it does anything.
func TestMeterSeesWhatChanges(t *testing.T) {
	procPath, sysPath := tree(t, "v2")
	r, err := cgroup.New(procPath, sysPath)
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.OfPID(4242)
	if err != nil {
		t.Fatal(err)
	}
	m, err := g.Meter()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	write := func(file, text string) {
		if err := os.WriteFile(filepath.Join(sysPath, "fs/cgroup/cube.slice/task-a", file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		cpu, usage, file string
		want             cgroup.MeterReading
	}{
		{"1000000", "100", "40", cgroup.MeterReading{CpuSeconds: 1, MemoryBytes: 60}},
		{"1000001", "100", "50", cgroup.MeterReading{CpuSeconds: 1.000001, MemoryBytes: 50}},
		{"1000001", "120", "30", cgroup.MeterReading{CpuSeconds: 1.000001, MemoryBytes: 90}},
		{"1000001", "120", "20", cgroup.MeterReading{CpuSeconds: 1.000001, MemoryBytes: 90}}, // it has done nothing
		{"1000002", "120", "20", cgroup.MeterReading{CpuSeconds: 1.000002, MemoryBytes: 100}},
	} {
		write("cpu.stat", "usage_usec "+step.cpu+"\n")
		write("memory.current", step.usage+"\n")
		write("memory.stat", "anon 1\ninactive_file "+step.file+"\n")
		if got, err := m.Read(); err != nil || got != step.want {
			t.Errorf("%d: %+v, %v; want %+v", i, got, err, step.want)
		}
	}
}

// What only reclaim has moved in a group that does nothing is seen after 10 s.
func TestMeterSeesWhatWasReclaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		procPath, sysPath := tree(t, "v2")
		r, err := cgroup.New(procPath, sysPath)
		if err != nil {
			t.Fatal(err)
		}
		g, err := r.OfPID(4242)
		if err != nil {
			t.Fatal(err)
		}
		m, err := g.Meter()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		before, err := m.Read()
		if err != nil {
			t.Fatal(err)
		}
		stat := filepath.Join(sysPath, "fs/cgroup/cube.slice/task-a/memory.stat")
		if err := os.WriteFile(stat, []byte("inactive_file 0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		<-time.After(10*time.Second - 1)
		if got, err := m.Read(); err != nil || got != before {
			t.Errorf("before 10 s: %+v, %v; want %+v", got, err, before)
		}
		<-time.After(1)
		if got, err := m.Read(); err != nil || got.MemoryBytes <= before.MemoryBytes {
			t.Errorf("after 10 s: %+v, %v; want more than %+v", got, err, before)
		}
	})
}

func TestMeterOfAGroupThatIsNot(t *testing.T) {
	procPath, sysPath := tree(t, "v2")
	r, err := cgroup.New(procPath, sysPath)
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.OfPID(4242)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(sysPath, "fs", "cgroup", "cube.slice")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Meter(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the meter of a removed group: %v", err)
	}
}
