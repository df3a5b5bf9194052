package supervise

import "testing"

func TestOwnPathIsBelowWhatIsMounted(t *testing.T) {
	const memberships = "12:cpu,cpuacct:/docker/abc/x\n3:memory:/docker/abc\n2:freezer:/else\n1:name=systemd:/\n0::/\n"
	const mounts = "35 32 0:31 / / rw - ext4 /dev/vda rw\n" +
		"36 32 0:32 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n" +
		"37 32 0:33 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n" +
		"38 32 0:34 /docker /sys/fs/cgroup/freezer rw,nosuid shared:7 - cgroup cgroup rw,freezer\n"
	for controller, want := range map[string]string{"cpu": "/x", "cpuacct": "/x", "memory": "/docker/abc"} {
		if got, err := ownPath(memberships, mounts, controller); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", controller, got, err, want)
		}
	}
	// Of another part of the tree than is mounted, not mounted, none at all.
	for _, controller := range []string{"freezer", "name=systemd", "cpuset"} {
		if got, err := ownPath(memberships, mounts, controller); err == nil {
			t.Errorf("%s: %q; want an error", controller, got)
		}
	}
}
