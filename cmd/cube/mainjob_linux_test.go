package main

import (
	"encoding/json"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cube/scheduler"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
	"cube/worker/wire"
)

// fleet is a manager and three workers: one on the real machine, one on a
// recorded machine that is busy, one on a recorded machine without memory.
type fleet struct {
	env                          []string
	manager                      *program
	managerURL                   string
	idle, busy, full             *program
	idleName, busyName, fullName string
	idleURL, busyURL, fullURL    string
}

const (
	scrapeEvery = time.Second
	busyShare   = 0.95
)

// startFleet starts them. E-PVM scores by the last reading, where the default
// policy would remember that building the program kept this machine busy; and all
// have as many CPUs, so that only their use tells them apart.
func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{env: []string{"XDG_CONFIG_HOME=" + t.TempDir()}}
	f.manager = startCube(t, f.env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(),
		"--scrape.interval="+scrapeEvery.String(), "--policy=epvm")
	f.managerURL = f.manager.url()
	f.env = append(f.env, "CUBE_MANAGER="+f.managerURL)
	worker := func(args ...string) (*program, string, string) {
		p := startCube(t, f.env, append([]string{"worker", "--web.listen-address=127.0.0.1:0",
			"--data-dir=" + t.TempDir(), "--drain", "--join=" + f.managerURL}, args...)...)
		url := p.url()
		return p, url, strings.TrimPrefix(url, "http://")
	}
	busy := newMachine(t, machine{cpus: runtime.NumCPU(), busy: busyShare, memory: 64 << 30, memoryFree: 60 << 30})
	full := newMachine(t, machine{cpus: runtime.NumCPU(), busy: 0.05, memory: 16 << 30, memoryFree: 16 << 30 / 50})
	f.idle, f.idleURL, f.idleName = worker("--runtime=process")
	f.busy, f.busyURL, f.busyName = worker("--runtime=process", "--path.procfs="+busy.proc)
	f.full, f.fullURL, f.fullName = worker("--runtime=process", "--path.procfs="+full.proc)
	return f
}

// nodes asks the manager for its nodes, by name.
func (f *fleet) nodes(t *testing.T) map[string]wire.Node {
	t.Helper()
	var listed []wire.Node
	fromJSON(t, mustCube(t, f.env, "nodes", "--output=json"), &listed)
	byName := map[string]wire.Node{}
	for _, n := range listed {
		byName[n.Name] = n
	}
	return byName
}

// settle waits until every node has a CPU ratio, the real one a moderate one:
// building the program has kept it busy.
func (f *fleet) settle(t *testing.T) {
	t.Helper()
	until(t, 3*time.Minute, "the nodes are read, and this machine has come to rest", func() bool {
		nodes := f.nodes(t)
		idle, busy, full := nodes[f.idleName].CpuUsageRatio, nodes[f.busyName].CpuUsageRatio, nodes[f.fullName].CpuUsageRatio
		return idle != nil && busy != nil && full != nil && *idle < 0.8 && math.Abs(*busy-busyShare) < 0.01
	})
}

func fromJSON(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// run runs cube run and returns the task it made.
func (f *fleet) run(t *testing.T, args ...string) wire.PlacedTask {
	t.Helper()
	var placed wire.PlacedTask
	fromJSON(t, mustCube(t, f.env, append([]string{"run", "--output=json"}, args...)...), &placed)
	return placed
}

// TestMainJob is the whole way of the data with real programs: measure, scrape,
// place, run, explain, stop.
func TestMainJob(t *testing.T) {
	f := startFleet(t)
	f.settle(t)

	placed := f.run(t, "--name=hello", "--cpu=0.5", "--memory=512MiB", "--", "sh", "-c", "echo hello from $CUBE_TEST; sleep 600")
	if placed.State != task.Running || placed.Node != f.idleName {
		t.Fatalf("the task is %s on %q; want it running on %s\n%s", placed.State, placed.Node, f.idleName,
			mustCube(t, f.env, "explain", placed.ID.String()))
	}
	t.Run("explain", func(t *testing.T) { f.checkExplain(t, placed) })
	t.Run("the metrics tell the same story", func(t *testing.T) { f.checkMetrics(t) })
	t.Run("prometheus", func(t *testing.T) { f.checkPrometheus(t) })
	t.Run("logs", func(t *testing.T) {
		until(t, 5*time.Second, "the output", func() bool {
			return strings.Contains(mustCube(t, f.env, "logs", placed.ID.String()[:8]), "hello from")
		})
	})
	t.Run("the task is counted", func(t *testing.T) { f.checkTaskCount(t) })
	t.Run("stop", func(t *testing.T) { f.checkStop(t, placed) })
}

// checkExplain: the busy machine lost on its score, with what was measured; the
// full one was refused for memory, by code.
func (f *fleet) checkExplain(t *testing.T, placed wire.PlacedTask) {
	var decision scheduler.Decision
	fromJSON(t, mustCube(t, f.env, "explain", "--output=json", placed.ID.String()[:8]), &decision)
	if decision.Node != f.idleName || len(decision.Candidates) != 2 {
		t.Fatalf("placed on %q of %d candidates: %+v", decision.Node, len(decision.Candidates), decision)
	}
	winner, loser := decision.Candidates[0], decision.Candidates[1]
	if loser.Node != f.busyName || loser.Score >= winner.Score {
		t.Errorf("%s lost with %v against %v", loser.Node, loser.Score, winner.Score)
	}
	measured := loser.Inputs.CpuUsageRatio
	if !(math.Abs(measured.Value()-busyShare) <= 0.01) {
		t.Errorf("the busy machine was measured at %v; want %v ± 0.01", measured, busyShare)
	}
	if len(decision.Refused) != 1 || decision.Refused[0].Code != scheduler.RefusedMemory ||
		decision.Refused[0].Examples[0].Node != f.fullName {
		t.Errorf("refused: %+v; want %s for memory", decision.Refused, f.fullName)
	}
	table := mustCube(t, f.env, "explain", "hello")
	for _, want := range []string{f.idleName, f.busyName, f.fullName, percent(measured.Value()), "memory", "512MiB", "the same to the last bit"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table does not say %q:\n%s", want, table)
		}
	}
}

// checkTaskCount: the book's TaskCount was always 0.
func (f *fleet) checkTaskCount(t *testing.T) {
	_, body := fetch(t, "GET", f.idleURL+"/stats", "", "")
	var stats struct{ TaskCount int }
	fromJSON(t, string(body), &stats)
	if stats.TaskCount != 1 {
		t.Errorf("TaskCount is %d while one task runs", stats.TaskCount)
	}
}

func (f *fleet) checkStop(t *testing.T, placed wire.PlacedTask) {
	pid := strings.TrimPrefix(placed.ContainerID, "pid:")
	if _, err := os.Stat("/proc/" + pid); err != nil {
		t.Fatalf("the task's process %s: %v", pid, err)
	}
	mustCube(t, f.env, "stop", placed.ID.String()[:8])
	until(t, 15*time.Second, "the task is completed", func() bool {
		var tasks []wire.PlacedTask
		fromJSON(t, mustCube(t, f.env, "ps", "--all", "--output=json"), &tasks)
		return len(tasks) == 1 && tasks[0].State == task.Completed && tasks[0].StopRequested
	})
	if _, err := os.Stat("/proc/" + pid); err == nil {
		t.Errorf("process %s is still there", pid)
	}
}

// TestContainer runs a container of an image that no registry has.
func TestContainer(t *testing.T) {
	image := dockertest.Image(t)
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	manager := startCube(t, env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--scrape.interval=1s")
	env = append(env, "CUBE_MANAGER="+manager.url())
	// The worker's containers are known by the identity of its data directory;
	// what a failed test leaves is removed by it.
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "id"), []byte(dockertest.Owner(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	worker := startCube(t, env, "worker", "--web.listen-address=127.0.0.1:0", "--data-dir="+data,
		"--runtime=docker", "--drain", "--join="+manager.url())
	f := &fleet{env: env, manager: manager, idleName: strings.TrimPrefix(worker.url(), "http://")}
	until(t, 30*time.Second, "the worker is ready", func() bool { return f.nodes(t)[f.idleName].State == wire.NodeReady })

	placed := f.run(t, "--image="+image, "--name=box", "--cpu=0.25", "--memory=64MiB", "--publish=7777", "--", "serve", "7777", "forever")
	if placed.State != task.Running || placed.Node != f.idleName {
		t.Fatalf("the container is %s on %q: %s%s", placed.State, placed.Node, placed.Error, placed.PendingReason)
	}
	inspect, err := exec.Command("docker", "inspect", "--format",
		"{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.AutoRemove}}", placed.ContainerID).CombinedOutput()
	if want := "250000000 67108864 no false"; err != nil || strings.TrimSpace(string(inspect)) != want {
		t.Errorf("the engine says %q, %v; want %q", inspect, err, want)
	}
	bindings := placed.HostPorts["7777/tcp"]
	if len(bindings) == 0 {
		t.Fatalf("no host port was given: %+v", placed.HostPorts)
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", bindings[0].HostPort), 5*time.Second)
	if err != nil {
		t.Errorf("the published port: %v", err)
	} else {
		conn.Close()
	}
	mustCube(t, env, "stop", "box")
	until(t, 20*time.Second, "the container is stopped", func() bool {
		var tasks []wire.PlacedTask
		fromJSON(t, mustCube(t, env, "ps", "--all", "--output=json"), &tasks)
		return len(tasks) == 1 && tasks[0].State == task.Completed
	})
}
