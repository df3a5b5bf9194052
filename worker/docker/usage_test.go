package docker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/google/uuid"

	"cube/worker"
)

// Where the container's cgroup is depends on the engine's cgroup driver, on the
// version of cgroups, on whose engine it is, and on where the worker itself runs.
func TestCgroupOfAContainer(t *testing.T) {
	const (
		id  = "4be1c9e0a1f7c3f2a4b7d8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3"
		pid = 4242

		mountV1 = "36 32 0:31 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n" +
			"37 32 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
		mountV2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
		// A worker in a container, without a cgroup namespace of its own, that
		// has the machine's /sys/fs/cgroup.
		mountV2Part = "30 23 0:26 /system.slice /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	)
	for _, test := range []struct {
		name   string
		mounts string
		group  string // what the kernel says of the process
		dir    string // where its files are; empty: not in reach
	}{
		{"v1, cgroupfs", mountV1, "9:memory:/docker/" + id + "\n4:cpu,cpuacct:/docker/" + id, "/docker/" + id},
		{"v1, cgroupfs, own parent", mountV1, "9:memory:/cube/w1/" + id + "\n4:cpu,cpuacct:/cube/w1/" + id, "/cube/w1/" + id},
		{"v1, systemd", mountV1, "9:memory:/system.slice/docker-" + id + ".scope\n4:cpu,cpuacct:/system.slice/docker-" + id + ".scope",
			"/system.slice/docker-" + id + ".scope"},
		{"v2, cgroupfs", mountV2, "0::/docker/" + id, "/docker/" + id},
		{"v2, systemd", mountV2, "0::/system.slice/docker-" + id + ".scope", "/system.slice/docker-" + id + ".scope"},
		{"v2, systemd, own slice", mountV2, "0::/cube.slice/cube-w1.slice/docker-" + id + ".scope", "/cube.slice/cube-w1.slice/docker-" + id + ".scope"},
		{"v2, rootless", mountV2, "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope",
			"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope"},
		{"v2, a part mounted", mountV2Part, "0::/system.slice/docker-" + id + ".scope", "/docker-" + id + ".scope"},

		{"v2, seen from another cgroup namespace", mountV2, "0::/../docker-" + id + ".scope", ""},
		{"another process with that ID", mountV2, "0::/user.slice/user-1000.slice/session-2.scope", ""},
		{"no such process", mountV2, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			proc, sys := filepath.Join(root, "proc"), filepath.Join(root, "sys")
			put(t, filepath.Join(proc, "self/mountinfo"), test.mounts)
			if test.group != "" {
				put(t, filepath.Join(proc, "4242/cgroup"), test.group+"\n")
			}
			for _, group := range []string{test.dir, "/user.slice/user-1000.slice/session-2.scope"} {
				if test.mounts == mountV1 {
					put(t, filepath.Join(sys, "fs/cgroup/memory", group, "memory.usage_in_bytes"), "5000000\n")
					put(t, filepath.Join(sys, "fs/cgroup/memory", group, "memory.stat"), "total_inactive_file 1000000\n")
					put(t, filepath.Join(sys, "fs/cgroup/cpu,cpuacct", group, "cpuacct.usage"), "2500000000\n")
				} else {
					put(t, filepath.Join(sys, "fs/cgroup", group, "memory.current"), "5000000\n")
					put(t, filepath.Join(sys, "fs/cgroup", group, "memory.stat"), "inactive_file 1000000\n")
					put(t, filepath.Join(sys, "fs/cgroup", group, "cpu.stat"), "usage_usec 2500000\n")
				}
			}
			groups := newGroups(proc, sys)
			defer groups.close()
			key := worker.Key{Task: uuid.New()}
			meter := groups.find(key, container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{
				ID: id, State: &container.State{Running: true, Pid: pid},
			}})
			if (meter != nil) != (test.dir != "") || meter != groups.get(key) {
				t.Fatalf("found: %v; want %v", meter != nil, test.dir != "")
			}
			if meter == nil {
				return
			}
			if used, err := read(meter); err != nil || used.CpuSeconds != 2.5 || used.MemoryBytes != 4_000_000 {
				t.Errorf("it has used %+v, %v; want 2.5 s and 4 MB", used, err)
			}
		})
	}
}

// put writes a file and the directories above it.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
