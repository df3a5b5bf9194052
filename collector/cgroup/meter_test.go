package cgroup_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

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
				if got, err := m.CpuSeconds(); err != nil || errCpu != nil || got != cpu {
					t.Errorf("CpuSeconds: %v, %v; the group says %v, %v", got, err, cpu, errCpu)
				}
				if got, err := m.MemoryBytes(); err != nil || errMemory != nil || got != memory {
					t.Errorf("MemoryBytes: %v, %v; the group says %v, %v", got, err, memory, errMemory)
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
	if _, err := m.CpuSeconds(); err != nil {
		t.Errorf("CPU: %v", err)
	}
	if _, err := m.MemoryBytes(); err != nil {
		t.Errorf("memory: %v", err)
	}
	for _, dir := range dirs {
		removeGroup(t, dir)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.CpuSeconds(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CPU of a removed group: %v", err)
	}
	if _, err := m.MemoryBytes(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("memory of a removed group: %v", err)
	}
	m.Close()
	if _, err := m.CpuSeconds(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("CPU by a closed meter: %v", err)
	}
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
