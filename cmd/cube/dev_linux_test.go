package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cube/worker/docker/dockertest"
	"cube/worker/task"
	"cube/worker/wire"
)

// startDev starts cube dev with a temporary directory of its own, and returns
// that too.
func startDev(t *testing.T, args ...string) (f *fleet, temporary string) {
	t.Helper()
	path, err := buildCube()
	if err != nil {
		t.Fatal(err)
	}
	temporary = t.TempDir()
	return startDevBy(t, []string{path}, t.TempDir(), temporary, args...), temporary
}

// startDevBy starts it by a command of one's own, with directories of its own.
func startDevBy(t *testing.T, command []string, config, temporary string, args ...string) *fleet {
	t.Helper()
	f := &fleet{env: []string{"XDG_CONFIG_HOME=" + config, "TMPDIR=" + temporary}}
	all := slices.Concat(command[1:], []string{"dev", "--web.listen-address=127.0.0.1:0", "--worker.listen-address=127.0.0.1:0"}, args)
	f.manager = startProgram(t, command[0], f.env, all...)
	f.managerURL = f.manager.await(`manager +(http://\S+)`, time.Minute)
	f.manager.await(`explain .*hello`, time.Minute) // the last line of the greeting
	f.env = append(f.env, "CUBE_MANAGER="+f.managerURL)
	return f
}

// left lists what is in a directory and below it.
func left(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestDevLeavesNothingBehind: three workers share this machine out; Ctrl-C stops
// the tasks, waits for them, and leaves no process and no file.
func TestDevLeavesNothingBehind(t *testing.T) {
	f, temporary := startDev(t, "--runtime=process", "--workers=3")
	nodes := f.nodes(t)
	if len(nodes) != 3 {
		t.Fatalf("there are %d nodes", len(nodes))
	}
	var cpu, memory float64
	for _, n := range nodes {
		if n.State != wire.NodeReady || n.Allocatable == nil {
			t.Fatalf("%+v is not ready", n)
		}
		cpu += n.Allocatable.Cpu
		memory += float64(n.Allocatable.Memory)
	}
	for _, n := range nodes {
		if n.Allocatable.Cpu*3 != cpu || float64(n.Allocatable.Memory)*3 < memory-3 || float64(n.Allocatable.Memory)*3 > memory+3 {
			t.Errorf("%s has %+v of %v cores, %v bytes", n.Name, n.Allocatable, cpu, memory)
		}
	}
	// One that starts others, one that has to be killed.
	tree := f.run(t, "--name=tree", "--", "sh", "-c", "sleep 86413 & setsid sleep 86417 & wait")
	deaf := f.run(t, "--name=deaf", "--", "sh", "-c", `trap "" TERM; while :; do sleep 1; done`)
	var pids []string
	for _, placed := range []wire.PlacedTask{tree, deaf} {
		if placed.State != task.Running {
			t.Fatalf("%s is %s: %s%s", placed.Name, placed.State, placed.Error, placed.PendingReason)
		}
		pids = append(pids, strings.TrimPrefix(placed.ContainerID, "pid:"))
	}
	f.checkParts(t)
	f.manager.interrupt()
	checkNoCgroup(t, f.manager)
	if printed := f.manager.output(); strings.Contains(printed, "level=") {
		t.Errorf("it complained while it ended:\n%s", printed)
	}
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("process %s is still there", pid)
		}
	}
	if out, err := exec.Command("pgrep", "-f", "^sleep 8641[37]$").Output(); err == nil {
		t.Errorf("processes are still there: %s", out)
	}
	if found := append(left(t, temporary), left(t, strings.TrimPrefix(f.env[0], "XDG_CONFIG_HOME="))...); len(found) > 1 { // the directory of tokens itself
		t.Errorf("files are still there: %v", found)
	}
}

// hasSlices reports whether this machine let the workers have cgroups.
func (f *fleet) hasSlices() bool {
	return strings.Contains(f.manager.output(), "Each worker has a cgroup of its own")
}

// checkParts: a task that spins is seen by the worker that runs it, and by no
// other on the same machine.
func (f *fleet) checkParts(t *testing.T) {
	t.Helper()
	spin := f.run(t, "--name=spin", "--", "sh", "-c", "while :; do :; done")
	// How much a busy machine lets it have, nobody knows; the others have none.
	until(t, time.Minute, "the worker of the spinning task sees it, and no other does", func() bool {
		nodes := f.nodes(t)
		busy := nodes[spin.Node].CpuUsageRatio
		if busy == nil || *busy < 0.02 {
			return false
		}
		for name, n := range nodes {
			if name != spin.Node && (n.CpuUsageRatio == nil || *n.CpuUsageRatio > *busy/2) {
				return false
			}
		}
		return true
	})
}

// cgroupsOf lists the cgroups, in all hierarchies, that a cube dev has made.
func cgroupsOf(t *testing.T, p *program) []string {
	t.Helper()
	name := "cube-dev-" + strconv.Itoa(p.cmd.Process.Pid)
	var found []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == name {
			found = append(found, path)
		}
		return nil // others come and go meanwhile
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func checkNoCgroup(t *testing.T, p *program) {
	t.Helper()
	if found := cgroupsOf(t, p); len(found) > 0 {
		t.Errorf("cgroups are still there: %v", found)
	}
}

// TestDevWithoutCgroups: an ordinary user may make none; each worker measures what
// its own tasks use all the same, which is said at the start.
func TestDevWithoutCgroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	path, err := buildCube()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// All of it where that user may go.
	dir := t.TempDir()
	for _, name := range []string{"config", "temporary"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o711), os.WriteFile(filepath.Join(dir, "cube"), program, 0o755)); err != nil {
		t.Fatal(err)
	}
	id := strconv.Itoa(nobody)
	f := startDevBy(t, []string{"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", filepath.Join(dir, "cube")},
		filepath.Join(dir, "config"), filepath.Join(dir, "temporary"), "--runtime=process", "--workers=2")
	f.manager.await(`share this machine's capacity, and each measures the sum of what its tasks use: .*permission denied`, time.Second)
	f.checkParts(t)
}

// nobody is the number of the user who owns nothing.
const nobody = 65534

// TestDevTakesDocker: where an engine answers, tasks are containers, and none is
// left after Ctrl-C.
func TestDevTakesDocker(t *testing.T) {
	image := dockertest.Image(t)
	f, _ := startDev(t, "--workers=2")
	f.manager.await(`Tasks run as containers: a Docker engine answers`, time.Second)
	// A busy engine takes longer than run waits by itself.
	placed := f.run(t, "--wait=50s", "--image="+image, "--name=box", "--", "forever")
	if placed.State != task.Running {
		t.Fatalf("the container is %s: %s%s", placed.State, placed.Error, placed.PendingReason)
	}
	if f.hasSlices() && len(cgroupsOf(t, f.manager)) == 0 {
		t.Error("the workers have no cgroups")
	}
	f.manager.interrupt()
	checkNoCgroup(t, f.manager)
	out, err := exec.Command("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", "id="+placed.ContainerID).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("containers that are still there: %s, %v", out, err)
	}
}

// TestTheSeedsOwnRun is the book's: CUBE_HOST and CUBE_PORT say where the worker
// listens, and /stats answers in the book's shape from the first request on.
func TestTheSeedsOwnRun(t *testing.T) {
	address := freeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	w := startCube(t, []string{"XDG_CONFIG_HOME=" + t.TempDir(), "CUBE_HOST=localhost", "CUBE_PORT=" + port, "CUBE_DATA_DIR=" + t.TempDir()}, "worker")
	w.url()
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://localhost:" + port + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var all map[string]any
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	stats := map[string]map[string]any{}
	for _, object := range []string{"MemStats", "DiskStats", "CpuStats", "LoadStats"} {
		stats[object], _ = all[object].(map[string]any)
	}
	for _, path := range []string{"MemStats.mem_total", "MemStats.direct_map_1G", "DiskStats.all", "DiskStats.freeInodes", "CpuStats.guest_nice", "LoadStats.last_pid"} {
		object, key, _ := strings.Cut(path, ".")
		if _, there := stats[object][key]; !there {
			t.Errorf("there is no %s", path)
		}
	}
	if stats["CpuStats"]["id"] != "cpu" || all["TaskCount"] != 0.0 {
		t.Errorf("id is %v, TaskCount is %v", stats["CpuStats"]["id"], all["TaskCount"])
	}
}
