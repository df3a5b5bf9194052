package cgroup_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cube/collector/cgroup"
)

// tree copies a recorded tree, so that a test may spoil it, and returns its /proc
// and /sys.
func tree(t testing.TB, name string) (procPath, sysPath string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "proc"), filepath.Join(dir, "sys")
}

func TestRecordedTrees(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		tree   string
		pid    int
		path   string
		cpu    float64
		memory float64
		limits cgroup.Limits
		psi    bool
	}{
		// Version 1, controllers mounted apart: the group's memory limit is
		// larger than its parent's, whose is the one that binds.
		{"v1", 4242, "/cube/task-a", 12.345678901, 50 << 20, cgroup.Limits{CpuCores: 1.5, MemoryBytes: 256 << 20}, false},
		{"v1", 7, "/", 9000, 3 << 30, cgroup.Limits{CpuCores: 4, MemoryBytes: inf}, false},
		// Version 1 in a container without a cgroup namespace: the paths
		// count from the host's top, the mount shows the container's part.
		{"v1container", 0, "/docker/3f2a", 3.5, 90 << 20, cgroup.Limits{CpuCores: 2, MemoryBytes: 512 << 20}, false},
		// Version 2: the quota is the parent's.
		{"v2", 4242, "/cube.slice/task-a", 2.5, 100 << 20, cgroup.Limits{CpuCores: 0.5, MemoryBytes: 1 << 30}, true},
		{"v2", 1, "/init.scope", 77.25, 9 << 20, cgroup.Limits{CpuCores: 8, MemoryBytes: inf}, true},
		// Both: cpuacct and memory are version 1, the unified hierarchy has
		// no controllers.
		{"hybrid", 4242, "/cube/task-a", 1.25, 10 << 20, cgroup.Limits{CpuCores: inf, MemoryBytes: 64 << 20}, false},
	}
	for _, test := range tests {
		t.Run(test.tree+test.path, func(t *testing.T) {
			r, err := cgroup.New(tree(t, test.tree))
			if err != nil {
				t.Fatal(err)
			}
			g, err := r.OfPID(test.pid)
			if err != nil {
				t.Fatal(err)
			}
			if g.Path != test.path {
				t.Errorf("path %s, want %s", g.Path, test.path)
			}
			if got, err := g.CpuSeconds(); err != nil || got != test.cpu {
				t.Errorf("CpuSeconds: %v, %v, want %v", got, err, test.cpu)
			}
			if got, err := g.MemoryBytes(); err != nil || got != test.memory {
				t.Errorf("MemoryBytes: %v, %v, want %v", got, err, test.memory)
			}
			if got, err := g.Limits(); err != nil || got != test.limits {
				t.Errorf("Limits: %+v, %v, want %+v", got, err, test.limits)
			}
			if path, ok := g.PressurePath("memory"); ok != test.psi {
				t.Errorf("PressurePath: %q, %v, want %v", path, ok, test.psi)
			}
			at, err := r.At(test.path)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := at.CpuSeconds(); err != nil || got != test.cpu {
				t.Errorf("At(%s).CpuSeconds: %v, %v, want %v", test.path, got, err, test.cpu)
			}
		})
	}
}

func TestWhatIsNotThere(t *testing.T) {
	procPath, sysPath := tree(t, "v2")
	r, err := cgroup.New(procPath, sysPath)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.OfPID(99999); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that is not there: %v", err)
	}
	if _, err := r.OfPID(13); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process whose cgroup was removed: %v", err)
	}
	if _, err := r.At("/nobody"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a cgroup that is not there: %v", err)
	}
	if _, err := cgroup.New(procPath, t.TempDir()); !errors.Is(err, cgroup.ErrNoCgroups) {
		t.Errorf("no mounts: %v", err)
	}
	g, err := r.At("/cube.slice/task-a")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(sysPath, "fs", "cgroup", "cube.slice")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.CpuSeconds(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CPU of a removed cgroup: %v", err)
	}
	if _, err := g.MemoryBytes(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("memory of a removed cgroup: %v", err)
	}
}

// TestGarbledFiles shows that no garbage becomes a figure.
func TestGarbledFiles(t *testing.T) {
	for name, text := range map[string]string{
		"cpu.stat": "usage_usec many\n", "memory.current": "", "memory.stat": "inactive_file\n",
		"cpu.max": "100000 0\n", "memory.max": "-5\n", "cpuset.cpus.effective": "3-1\n",
	} {
		t.Run(name, func(t *testing.T) {
			procPath, sysPath := tree(t, "v2")
			file := filepath.Join(sysPath, "fs/cgroup/cube.slice/task-a", name)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			r, err := cgroup.New(procPath, sysPath)
			if err != nil {
				t.Fatal(err)
			}
			g, err := r.At("/cube.slice/task-a")
			if err != nil {
				t.Fatal(err)
			}
			_, cpu := g.CpuSeconds()
			_, memory := g.MemoryBytes()
			_, limits := g.Limits()
			if cpu == nil && memory == nil && limits == nil {
				t.Errorf("%q in %s passed for a figure", text, name)
			}
		})
	}
}

// TestRealCgroup measures a real child in a real cgroup of this machine's
// version: the CPU time that the kernel charges to the group is what the child
// says of itself.
func TestRealCgroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("making a cgroup needs root")
	}
	dirs := makeGroup(t, "cube-collector-test-"+strconv.Itoa(os.Getpid()))
	child := exec.CommandContext(t.Context(), "sh", "-c", "read go; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read end")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(child.Process.Pid)), 0); err != nil {
			t.Fatal(err)
		}
	}
	r, err := cgroup.New("/proc", "/sys")
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.OfPID(child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	used, err := g.CpuSeconds()
	if err != nil {
		t.Fatal(err)
	}
	if memory, err := g.MemoryBytes(); err != nil || memory < 4096 || memory > 1<<30 {
		t.Errorf("memory of a shell: %v, %v", memory, err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = out.ReadFrom(stdout)
	if err := child.Wait(); err != nil && child.ProcessState.ExitCode() > 1 {
		t.Fatal(err)
	}
	said := (child.ProcessState.UserTime() + child.ProcessState.SystemTime()).Seconds()
	if math.Abs(used-said) > 0.05+0.1*said {
		t.Errorf("the cgroup was charged %.3f s, the child used %.3f s", used, said)
	}
}

// makeGroup makes a cgroup in every hierarchy that measures, and removes it at
// the end of the test.
func makeGroup(t *testing.T, name string) []string {
	t.Helper()
	root := "/sys/fs/cgroup"
	var dirs []string
	if _, err := os.Stat(root + "/cgroup.controllers"); err == nil {
		dirs = []string{filepath.Join(root, name)}
	} else {
		dirs = []string{filepath.Join(root, "cpuacct", name), filepath.Join(root, "memory", name)}
	}
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("this machine's cgroups cannot be written: %v", err)
		}
		t.Cleanup(func() { removeGroup(t, dir) })
	}
	return dirs
}

// removeGroup removes a cgroup; for a moment after its last process ended the
// kernel still calls it busy.
func removeGroup(t *testing.T, dir string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return
		}
		if !strings.Contains(err.Error(), "busy") {
			t.Errorf("removing the cgroup: %v", err)
			return
		}
		<-tick.C
	}
	t.Errorf("cgroup %s stays busy", dir)
}
