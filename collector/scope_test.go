package collector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scopedMachine is the recorded machine with the cgroups of a recorded tree.
func scopedMachine(t *testing.T, tree string) (procPath, sysPath string) {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{filepath.Join("cgroup", "testdata", tree), filepath.Dir(recorded)} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "proc"), filepath.Join(dir, "sys")
}

// The book read the host's /proc in a container with a limit: four tasks too
// many; and lxcfs#593, kubernetes#111621: figures read of version 1 were wrong, or
// none, on version 2. Both versions, and the limit of the parent where that is the lower.
func TestCgroupLimitsNarrowTheFigures(t *testing.T) {
	for name, test := range map[string]struct {
		tree, group string
		scope       Scope
		want        []string // beginnings of lines
		absent      []string
	}{
		"version 2": {"v2", "/cube.slice/task-a", ScopeAuto, []string{
			"cube_cpu_cores 0.5", "cube_cpu_usage_ratio 0.5", "cube_memory_total_bytes 1.073741824e+09",
			"cube_memory_available_bytes 8.64026624e+08", "cube_memory_used_bytes 2.097152e+08",
			`cube_pressure_some_ratio{resource="memory"} 0`, `cube_cpu_seconds_total{mode="user"} 10`,
		}, nil},
		"version 2, all the cgroup's": {"v2", "/cube.slice/task-a", ScopeCgroup, []string{
			"cube_cpu_cores 0.5", "cube_cpu_usage_ratio 0.5", `cube_pressure_some_ratio{resource="memory"} 0.01`,
		}, []string{`cube_pressure_some_ratio{resource="cpu"}`}},
		"version 1": {"v1", "/cube/task-a", ScopeAuto, []string{
			"cube_cpu_cores 1.5", "cube_memory_total_bytes 2.68435456e+08", "cube_memory_available_bytes 1.63577856e+08",
		}, nil},
		"version 1 has no pressure of a cgroup": {"v1", "/cube/task-a", ScopeCgroup, []string{
			"cube_cpu_cores 1.5", `cube_collector_success{collector="pressure"} 1`,
		}, []string{"cube_pressure"}},
		"the host's all the same": {"v2", "/cube.slice/task-a", ScopeHost, []string{
			"cube_cpu_cores 2", "cube_memory_total_bytes 8.192e+09", `cube_pressure_some_ratio{resource="cpu"} 0.125`,
		}, nil},
		"a cgroup without limits": {"v2", "/init.scope", ScopeAuto, []string{
			"cube_cpu_cores 2", "cube_memory_total_bytes 8.192e+09", "cube_memory_available_bytes 6.144e+09",
		}, nil},
		"no such cgroup, not insisted on": {"v2", "/none", ScopeAuto, []string{"cube_cpu_cores 2"}, nil},
		"no such cgroup": {"v2", "/none", ScopeCgroup, []string{
			`cube_collector_success{collector="cpu"} 0`, `cube_collector_success{collector="memory"} 0`,
			`cube_collector_success{collector="load"} 1`, `cube_collector_success{collector="disk"} 1`,
		}, []string{"cube_cpu", "cube_memory"}},
	} {
		t.Run(name, func(t *testing.T) {
			procPath, sysPath := scopedMachine(t, test.tree)
			now := at(1_700_000_000)
			c := newCollector(t, Config{
				ProcPath: procPath, SysPath: sysPath, Scope: test.scope, Cgroup: test.group,
				Now: func() time.Time { return now },
			})
			pageOf(t, c)
			now = now.Add(10 * time.Second)
			if test.group == "/cube.slice/task-a" { // half of what half a core can do
				writeFile(t, filepath.Join(sysPath, "fs/cgroup/cube.slice/task-a"), "cpu.stat", "usage_usec 5000000\n")
			}
			got := pageOf(t, c)
			for _, line := range test.want {
				if !has(got, line) {
					t.Errorf("want %s in\n%s", line, got)
				}
			}
			for _, line := range test.absent {
				if has(got, line) {
					t.Errorf("there is %s", line)
				}
			}
		})
	}
}

// The Stats and the capacity are narrowed as the page is.
func TestCgroupLimitsNarrowStatsAndCapacity(t *testing.T) {
	procPath, sysPath := scopedMachine(t, "v2")
	c := newCollector(t, Config{ProcPath: procPath, SysPath: sysPath, Cgroup: "/cube.slice/task-a"})
	stats, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if stats.MemTotalKb() != 1<<20 || stats.MemAvailableKb() != 824<<10 || stats.Cores != 0.5 {
		t.Errorf("%d kB, %d kB available, %v cores", stats.MemTotalKb(), stats.MemAvailableKb(), stats.Cores)
	}
	if capacity, err := c.Capacity(); err != nil || capacity.Cores != 0.5 || capacity.Memory != 1<<30 {
		t.Errorf("%+v, %v", capacity, err)
	}
}

func TestParseScope(t *testing.T) {
	for _, scope := range []Scope{ScopeAuto, ScopeHost, ScopeCgroup} {
		if got, err := ParseScope(scope.String()); err != nil || got != scope {
			t.Errorf("%s is read as %v, %v", scope, got, err)
		}
	}
	if _, err := ParseScope("pod"); err == nil || !strings.Contains(err.Error(), `"pod" is no scope: want auto, host or cgroup`) {
		t.Errorf("got %v", err)
	}
	if _, err := New(Config{Scope: 7}); err == nil {
		t.Error("Scope(7) was accepted")
	}
}
