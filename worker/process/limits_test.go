package process

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"

	"cube/worker/process/supervise"
	"cube/worker/task"
)

// needCgroups skips where this machine lets nobody make cgroups.
func needCgroups(t *testing.T, rt *Runtime) {
	t.Helper()
	if rt.cgroups == nil {
		t.Skip("no cgroups can be made")
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can do this")
	}
}

func TestMemoryLimitKillsAndSaysSo(t *testing.T) {
	rt := newRuntime(t, Config{})
	needCgroups(t, rt)
	r := start(t, rt, &task.Task{Command: testCommand(t, "take", "128"), Memory: 64 << 20})
	exit := wait(t, rt, r.Key)
	if code(exit) != "137" || !exit.OOMKilled || !strings.Contains(exit.Error, "memory") {
		t.Errorf("128 MiB in 64 MiB: ended with %s, %+v, and printed %q", code(exit), exit, logs(t, rt, r.Key, allLogs))
	}
	r = start(t, rt, &task.Task{Command: testCommand(t, "take", "32"), Memory: 128 << 20})
	if exit := wait(t, rt, r.Key); code(exit) != "0" || exit.OOMKilled {
		t.Errorf("32 MiB in 128 MiB: ended with %s, %+v", code(exit), exit)
	}
}

// preferTests gives the test's runs the CPU before all others on the machine, so
// that nothing but their limits holds them up.
func preferTests(t *testing.T, rt *Runtime) {
	t.Helper()
	file, most := filepath.Join(supervise.Mountpoint, rt.CgroupParent(), "cpu.weight"), "10000"
	if v1, is := rt.cgroups.(*hierarchy1); is {
		file, most = filepath.Join(v1.mount, "cpu", v1.parents["cpu"], "cpu.shares"), "262144"
	}
	if err := os.WriteFile(file, []byte(most), 0); err != nil {
		t.Fatal(err)
	}
}

func TestCPULimitHolds(t *testing.T) {
	rt := newRuntime(t, Config{})
	needCgroups(t, rt)
	preferTests(t, rt)
	r := start(t, rt, &task.Task{Command: testCommand(t, "burn"), Cpu: 0.25})
	const window = 2 * time.Second
	cpu := func() float64 {
		u, err := rt.Usage(t.Context(), r.Key)
		if err != nil {
			t.Fatal(err)
		}
		return u.CpuSeconds
	}
	// More than its limit is wrong at once. Less can be the doing of others
	// on a busy machine: then it has to come right in another window.
	var got float64
	for range 10 {
		begin, before := time.Now(), cpu()
		<-time.After(window)
		got = (cpu() - before) / time.Since(begin).Seconds()
		t.Logf("used %.3f cores over %v", got, window)
		if got > 0.2 {
			break
		}
	}
	if got < 0.2 || got > 0.3 {
		t.Errorf("a task of 0.25 cores used %.3f; want 0.25 ± 20 %%", got)
	}
}

func TestUsageWithAndWithoutCgroups(t *testing.T) {
	for name, config := range killConfigs(t) {
		t.Run(name, func(t *testing.T) {
			rt := newRuntime(t, config)
			r := startCommand(t, rt, "sh", "-c", strings.Join(testCommand(t, "burn"), " ")+"; true")
			// CPU that is counted grows, and memory is that of a Go program.
			eventually(t, "0.2 s of CPU and more than 200 kB of memory", func() bool {
				u, err := rt.Usage(t.Context(), r.Key)
				return err == nil && u.CpuSeconds > 0.2 && u.CpuSeconds < 60 && u.MemoryBytes > 200_000 && u.MemoryBytes < 1<<30
			})
		})
	}
}

func TestWithoutTheRightToMakeCgroupsTasksRunAndTheLogSaysSo(t *testing.T) {
	var said bytes.Buffer
	// A parent that is a file can have no children, whoever asks.
	rt := newRuntime(t, Config{CgroupParent: "/cgroup.procs", Log: slog.New(slog.NewTextHandler(&said, nil))})
	for range 2 {
		r := start(t, rt, &task.Task{Command: []string{"true"}, Cpu: 0.5, Memory: 64 << 20})
		if exit := wait(t, rt, r.Key); code(exit) != "0" {
			t.Errorf("ended with %s, %s", code(exit), exit.Error)
		}
	}
	if n := strings.Count(said.String(), "without CPU and memory limits"); n != 1 {
		t.Errorf("said %d times; want once:\n%s", n, said.String())
	}
}

// On this kernel's cgroup v2, with or without controllers: what is done by v2
// itself, forking into a group, killing and removing it.
func TestCgroup2KillsWhatEscapes(t *testing.T) {
	needRoot(t)
	mount := mount2()
	h, err := newHierarchy2(mount, "cube-test-v2", nil)
	if err != nil {
		t.Skipf("there is no cgroup v2 at %s: %v", mount, err)
	}
	t.Cleanup(h.remove)
	rt := newRuntime(t, Config{NoCgroups: true})
	rt.cgroups = h
	r := start(t, rt, &task.Task{Command: []string{"sh", "-c", escape + "exec sleep 1000"}, Cpu: 1, Memory: 64 << 20})
	g := rt.find(r.Key).record.Cgroup
	escaped := firstLines(t, rt, r.Key, 2)
	procs, err := os.ReadFile(g.File("", "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(escaped, strings.TrimPrefix(r.Handle, "pid:")) {
		if !slices.Contains(strings.Fields(string(procs)), pid) {
			t.Errorf("process %s is not in the group, which has %s", pid, strings.Fields(string(procs)))
		}
	}
	// Without a supervisor, the group is all there is to find them by.
	if err := unix.Kill(rt.find(r.Key).record.Supervisor.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit := wait(t, rt, r.Key); exit.Code != nil {
		t.Errorf("ended with %s", code(exit))
	}
	for _, pid := range escaped {
		eventually(t, "the end of "+pid, func() bool { return !alive(atoi(t, pid)) })
	}
	if _, err := os.Stat(g.File("", "")); !os.IsNotExist(err) {
		t.Errorf("the group is there: %v", err)
	}
}

// mount2 is where cgroup v2 is mounted, with or beside v1.
func mount2() string {
	if _, err := os.Stat(filepath.Join(supervise.Mountpoint, "cgroup.controllers")); err != nil {
		return filepath.Join(supervise.Mountpoint, "unified")
	}
	return supervise.Mountpoint
}

// A service of systemd's, as it delegates one: the worker in the service's own
// cgroup, out of which it has to move, since that is to have children with
// controllers; or in a subgroup of it (DelegateSubgroup), where it stays.
func TestCgroup2InAService(t *testing.T) {
	needRoot(t)
	mount := mount2()
	controllers, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
	if err != nil || len(bytes.TrimSpace(controllers)) == 0 {
		t.Skipf("there is no cgroup v2 with a controller: %q, %v", controllers, err)
	}
	// Where v1 has those of the worker, any other will do that is not for threads
	// too: those can be enabled beside a process.
	need := []string{"cpu", "memory"}
	if there := strings.Fields(string(controllers)); !slices.Contains(there, "memory") || !slices.Contains(there, "cpu") {
		need = slices.DeleteFunc(there, func(c string) bool { return slices.Contains([]string{"cpu", "cpuset", "perf_event", "pids"}, c) })
	}
	if len(need) == 0 {
		t.Skipf("all controllers of cgroup v2 that are here are for threads too: %q", controllers)
	}
	write := func(text string, path ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(append([]string{mount}, path...)...), []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	before, err := cgroup2.NestedGroupPath("")
	if err != nil {
		t.Fatal(err)
	}
	given, err := os.ReadFile(filepath.Join(mount, "cgroup.subtree_control"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mount, "cgroup.subtree_control"), []byte("+"+strings.Join(need, " +")), 0); err != nil {
		t.Skipf("this machine's cgroups of v2 cannot be changed: %v", err)
	}
	for _, controller := range need {
		if !slices.Contains(strings.Fields(string(given)), controller) {
			t.Cleanup(func() { write("-"+controller, "cgroup.subtree_control") })
		}
	}
	for name, within := range map[string]string{"its own": "", "a subgroup": leaf} {
		t.Run(name, func(t *testing.T) {
			service := fmt.Sprintf("cube-test-service-%d", os.Getpid())
			if err := os.MkdirAll(filepath.Join(mount, service, within), 0o755); err != nil {
				t.Fatal(err)
			}
			defer func() {
				write(fmt.Sprint(os.Getpid()), before, "cgroup.procs")
				for _, dir := range []string{"cube", leaf, ""} {
					if err := unix.Rmdir(filepath.Join(mount, service, dir)); err != nil && !os.IsNotExist(err) {
						t.Errorf("removing %s: %v", filepath.Join(service, dir), err)
					}
				}
			}()
			write(fmt.Sprint(os.Getpid()), service, within, "cgroup.procs")
			h, err := newHierarchy2(mount, "cube", need)
			if err != nil {
				t.Fatal(err)
			}
			if want := "/" + service + "/cube"; h.parent() != want {
				t.Errorf("the parent is %s; want %s", h.parent(), want)
			}
			if own, err := cgroup2.NestedGroupPath(""); err != nil || own != "/"+service+"/"+leaf {
				t.Errorf("this process is in %s, %v", own, err)
			}
			// What a restarted worker does, while tasks run.
			if again, err := newHierarchy2(mount, "cube", need); err != nil || again.parent() != h.parent() {
				t.Errorf("once more: %+v, %v", again, err)
			}
		})
	}
}

// A tree of plain files stands for a v2 hierarchy with controllers, where this
// kernel has them in v1: what is written, and where.
func TestCgroup2WritesLimits(t *testing.T) {
	mount := t.TempDir()
	file := func(path ...string) string { return filepath.Join(append([]string{mount}, path...)...) }
	for _, path := range []string{
		"cgroup.subtree_control", "cube/cgroup.subtree_control",
		"cube/run/cpu.max", "cube/run/cpu.weight", "cube/run/memory.max", "cube/run/memory.swap.max",
	} {
		if err := os.MkdirAll(filepath.Dir(file(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file(path), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h, err := newHierarchy2(mount, "/cube", []string{"cpu", "memory"})
	if err != nil {
		t.Fatal(err)
	}
	if h.parent() != "/cube" {
		t.Errorf("the parent is %s", h.parent())
	}
	if err := makeGroup(h.group("run"), limitsOf(&task.Task{Cpu: 0.25, Memory: 64 << 20})); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"cgroup.subtree_control":      "+cpu +memory",
		"cube/cgroup.subtree_control": "+cpu +memory",
		"cube/run/cpu.max":            "25000 100000",
		// 256 of v1's shares, l = 8: ⌈10^((l² + 125 l)/612 − 7/34)⌉, as runc has it.
		"cube/run/cpu.weight":      "35",
		"cube/run/memory.max":      "67108864",
		"cube/run/memory.swap.max": "0",
	} {
		if got, err := os.ReadFile(file(path)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
		}
	}
}

func TestLimitsOfATask(t *testing.T) {
	for _, test := range []struct {
		task   task.Task
		shares uint64
		quota  int64 // µs in 100 ms; 0: none
	}{
		{task.Task{}, 102, 0}, // the default promise of 0.1 cores
		{task.Task{Cpu: 0.001}, 2, 1000},
		{task.Task{Cpu: 2.5}, 2560, 250_000},
		{task.Task{Cpu: 1e300}, 262_144, 1 << 20 * 100_000},
	} {
		limits := limitsOf(&test.task)
		if limits.Memory != nil {
			t.Errorf("%v cores: memory is limited to %v", test.task.Cpu, *limits.Memory.Limit)
		}
		var quota int64
		if limits.CPU.Quota != nil {
			quota = *limits.CPU.Quota
		}
		if *limits.CPU.Shares != test.shares || quota != test.quota {
			t.Errorf("%v cores: %d shares, quota %d; want %d, %d", test.task.Cpu, *limits.CPU.Shares, quota, test.shares, test.quota)
		}
	}
}

func TestResourceLimitsHold(t *testing.T) {
	rt := newRuntime(t, Config{Limits: []supervise.Limit{
		{Resource: unix.RLIMIT_NOFILE, Soft: 64, Hard: 128}, {Resource: unix.RLIMIT_FSIZE, Soft: 1 << 20, Hard: 1 << 20},
	}})
	// A file of 2 MiB is cut at its limit, and what writes it is killed: SIGXFSZ.
	file := filepath.Join(t.TempDir(), "large")
	r := startCommand(t, rt, "sh", "-c", "ulimit -Sn; ulimit -Hn; exec head -c 2097152 /dev/zero >"+file)
	if exit := wait(t, rt, r.Key); code(exit) != "153" {
		t.Errorf("ended with %s, %s; want 153", code(exit), exit.Error)
	}
	if got := logs(t, rt, r.Key, allLogs); got != "64\n128\n" {
		t.Errorf("descriptors are limited to %q", got)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != 1<<20 {
		t.Errorf("the file has %v bytes, %v", info, err)
	}
}

func TestTaskInheritsNoDescriptors(t *testing.T) {
	// One that survives exec, as a careless parent leaves it to a worker.
	fd, err := unix.Open("/etc/hostname", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, testCommand(t, "descriptors")...)
	wait(t, rt, r.Key)
	for _, line := range strings.Split(strings.TrimSpace(logs(t, rt, r.Key, allLogs)), "\n") {
		number, to, _ := strings.Cut(line, " ")
		ok := number == "0" && to == "/dev/null" || (number == "1" || number == "2") && strings.HasPrefix(to, "pipe:")
		// What the Go runtime of the task and its reading open themselves.
		own := strings.Contains(to, "eventpoll") || strings.Contains(to, "eventfd") || strings.HasPrefix(to, "/proc/") || strings.Contains(to, "/cgroup/") || strings.HasPrefix(to, "/sys/")
		if !ok && !own {
			t.Errorf("the task has descriptor %s", line)
		}
	}
}

func TestTaskRunsAsItsUser(t *testing.T) {
	needRoot(t)
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	rt := newRuntime(t, Config{})
	for _, test := range []struct{ user, want string }{
		{"nobody", nobody.Uid + " " + nobody.Gid + " nobody"},
		{nobody.Uid, nobody.Uid + " " + nobody.Gid + " nobody"},
		{"nobody:daemon", nobody.Uid + " 1 nobody"},
		{"12345:54321", "12345 54321 unset"},
	} {
		r := start(t, rt, &task.Task{Command: []string{"sh", "-c", `echo $(id -u) $(id -g) ${USER-unset}; test "$(id -G)" = "$(id -g)"`}, User: test.user})
		if exit := wait(t, rt, r.Key); code(exit) != "0" {
			t.Errorf("as %s: ended with %s; supplementary groups are left", test.user, code(exit))
		}
		if got := strings.TrimSpace(logs(t, rt, r.Key, allLogs)); got != test.want {
			t.Errorf("as %s: ran as %q; want %q", test.user, got, test.want)
		}
	}
	if _, err := lookupUser("12345"); err == nil {
		t.Error("a number without user or group was taken, and would run in root's group")
	}
}
