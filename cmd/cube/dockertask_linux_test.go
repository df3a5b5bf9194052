package main

import (
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/client"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
)

// TestDockerTask: what the flags of the real worker say of containers is so, and
// what a container does and how it ends is told over HTTP.
func TestDockerTask(t *testing.T) {
	t.Parallel()
	parent := dockertest.CgroupParent(t) // first: it goes last
	w := newLoneWorker(t, runtimeDocker)
	p := w.start("--drain", "--docker.publish-address=127.0.0.1", "--docker.read-only-root", "--cgroup-parent="+parent)
	d := &dockerTasks{image: w.image, url: p.url(), client: w.client(p)}

	t.Run("ports", func(t *testing.T) {
		asked := freePort(t)
		got := d.run(t, task.Task{
			Command:      []string{"serve", "8080", "serve", "9090", "out", "serving", "forever"},
			PortBindings: map[string]string{"8080/tcp": asked}, ExposedPorts: map[string]struct{}{"9090": {}},
			HealthCheck: &task.HealthCheck{HTTP: "/", Port: "9090", Interval: task.Duration(50 * time.Millisecond), StartPeriod: task.Duration(time.Minute)},
		}, task.Running)
		d.awaitOutput(t, got.ID, "", "serving\n")
		for port, want := range map[string]string{"8080/tcp": asked, "9090/tcp": ""} {
			given := got.HostPorts[port]
			if len(given) != 1 || given[0].HostIp != "127.0.0.1" || given[0].HostPort == "" || (want != "" && given[0].HostPort != want) {
				t.Fatalf("port %s is given as %v; asked for %q", port, given, want)
			}
			if status, body := get(t, "http://127.0.0.1:"+given[0].HostPort); status != http.StatusOK || body != "served\n" {
				t.Errorf("port %s answers %d %q", port, status, body)
			}
		}
		if said := inspect(t, got.ContainerID, "{{.HostConfig.CgroupParent}}"); said != parent {
			t.Errorf("its cgroup is below %q; want %q", said, parent)
		}
		until(t, 30*time.Second, "its memory is measured", func() bool {
			_, page := get(t, d.url+"/metrics")
			return strings.Contains(page, `cube_task_memory_bytes{name="task",task="`+got.ID.String())
		})
		if is, err := d.client.Task(t.Context(), got.ID); err != nil || is.State != task.Running || is.RestartCount != 0 {
			t.Errorf("its health is checked and it is %+v, %v", is, err)
		}
	})

	t.Run("read-only root", func(t *testing.T) {
		got := d.run(t, task.Task{Command: []string{"write", "/file"}}, task.Failed)
		if got.ExitCode == nil || *got.ExitCode != 2 {
			t.Errorf("it could write: %v, %s", got.ExitCode, got.Error)
		}
		d.awaitOutput(t, got.ID, "?stderr=1", "write /file: open /file: read-only file system\n")
	})

	t.Run("user, environment, output", func(t *testing.T) {
		got := d.run(t, task.Task{
			User: "12:34", WorkingDir: "/tmp", Env: []string{"GREETING=hello, world"},
			Command: []string{"env", "GREETING", "err", "one", "whoami", "err", "two", "exit", "3"},
		}, task.Failed)
		if got.ExitCode == nil || *got.ExitCode != 3 || !strings.Contains(got.Error, "exited with code 3") {
			t.Errorf("it ended with %v: %s", got.ExitCode, got.Error)
		}
		for query, want := range map[string]string{
			"?stdout=1": "hello, world\n12 34 /tmp\n", "?stderr=1": "one\ntwo\n",
			"?stdout=1&follow=1": "hello, world\n12 34 /tmp\n", "?tail=0": "", "?since=2100-01-01T00:00:00Z": "",
		} {
			d.awaitOutput(t, got.ID, query, want)
		}
		if strings.Contains(p.output(), "hello, world") {
			t.Error("the log tells the task's environment")
		}
	})

	t.Run("memory", func(t *testing.T) {
		got := d.run(t, task.Task{Memory: 64 << 20, Command: []string{"take", "134217728", "forever"}}, task.Failed)
		if !got.OOMKilled || !strings.Contains(got.Error, "want of memory") {
			t.Errorf("it took twice its limit and ended with %v: %s", got.ExitCode, got.Error)
		}
	})

	t.Run("unhealthy", func(t *testing.T) {
		got := d.run(t, task.Task{
			Command:     []string{"term", "0", "forever"},
			HealthCheck: &task.HealthCheck{Command: []string{dockertest.Program, "exit", "1"}, Interval: task.Duration(50 * time.Millisecond), Retries: 2},
		}, task.Failed)
		if !strings.Contains(got.Error, "unhealthy: 2 checks in a row failed, the last one because its command exited with code 1") {
			t.Errorf("it is %s: %s", got.State, got.Error)
		}
	})
}

// dockerTasks runs tasks on one worker.
type dockerTasks struct {
	image  string
	url    string
	client *client.Client
}

// run starts a task and waits until it is in the state.
func (d *dockerTasks) run(t *testing.T, what task.Task, state task.State) *task.Task {
	t.Helper()
	what.ID, what.Name, what.Image, what.Allocation = uuid.New(), "task", d.image, 1
	event := task.Event{ID: uuid.New(), State: task.Running, Timestamp: time.Now(), Task: what}
	if _, err := d.client.Submit(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	return awaitState(t, d.client, what.ID, state)
}

// awaitOutput waits until the task's output, narrowed by the query, is as wanted.
func (d *dockerTasks) awaitOutput(t *testing.T, id uuid.UUID, query, want string) {
	t.Helper()
	var got string
	until(t, 30*time.Second, "the output"+query+" is as it should be", func() bool {
		_, got = get(t, d.url+"/tasks/"+id.String()+"/logs"+query)
		return got == want
	})
}

// inspect is what the engine says of a container.
func inspect(t *testing.T, id, format string) string {
	t.Helper()
	said, err := exec.Command("docker", "inspect", "--format", format, id).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(said))
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
