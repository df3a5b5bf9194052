package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/client"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
)

// TestEngineGoesDown: the Docker engine crashes, is restarted, or goes down with
// the machine, below a real worker. What runs on is had again; what ended has its
// own exit code where there is one, and none where there is not; and those tasks
// start again whose policy says so.
func TestEngineGoesDown(t *testing.T) {
	t.Parallel()
	engine := dockertest.NewPrivate(t)
	w := &loneWorker{t: t, runtime: runtimeDocker, data: t.TempDir(), env: []string{"XDG_CONFIG_HOME=" + t.TempDir()}}
	w.image = engine.Image()
	e := &engineTest{t: t, worker: w, args: []string{"--docker.host=" + engine.Host}}
	e.live()
	once, always := e.submit(task.RestartNo), e.submit(task.RestartAlways)

	// A crash, which containers outlive.
	engine.Kill()
	e.awaitReady(http.StatusServiceUnavailable)
	engine.Start()
	e.awaitReady(http.StatusOK)
	for _, was := range []*task.Task{once, always} {
		if is := e.await(was.ID, task.Running); is.ContainerID != was.ContainerID || !is.StartTime.Equal(was.StartTime) {
			t.Errorf("after a crash of the engine it is\n%+v, and was\n%+v", is, was)
		}
	}

	// A restart of its service, which stops them.
	engine.KeepRunning(false)
	engine.Kill()
	engine.Start()
	always = e.again(always)
	engine.Stop()
	e.awaitReady(http.StatusServiceUnavailable)
	engine.Start()
	e.awaitReady(http.StatusOK)
	always = e.again(always)
	if failed := e.await(once.ID, task.Failed); failed.ExitCode == nil || (*failed.ExitCode != asked && *failed.ExitCode != 137) {
		t.Errorf("stopped by the engine it ended with %v: %s", failed.ExitCode, failed.Error)
	}

	// The machine goes down. One task had ended before, with nobody to see it.
	once = e.submit(task.RestartNo)
	ended := e.submit(task.RestartNo)
	e.program.kill()
	if err := engine.Client.ContainerKill(t.Context(), ended.ContainerID, "SIGTERM"); err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, "it has ended", func() bool {
		c, err := engine.Client.ContainerInspect(t.Context(), ended.ContainerID)
		return err == nil && !c.State.Running
	})
	engine.PowerCut()
	e.reboot()
	engine.Start()
	e.live()
	if failed := e.await(once.ID, task.Failed); failed.ExitCode != nil || !strings.Contains(failed.Error, "the machine was restarted while it ran") {
		t.Errorf("it failed with %v: %s", failed.ExitCode, failed.Error)
	}
	if failed := e.await(ended.ID, task.Failed); failed.ExitCode == nil || *failed.ExitCode != asked {
		t.Errorf("it had ended with code %d, and is said to have with %v: %s", asked, failed.ExitCode, failed.Error)
	}
	always = e.again(always)

	// It goes down, and the engine's disk is lost with it.
	once = e.submit(task.RestartNo)
	e.program.kill()
	engine.PowerCut()
	engine.Forget()
	e.reboot()
	engine.Start()
	e.live()
	if failed := e.await(once.ID, task.Failed); failed.ExitCode != nil || !strings.Contains(failed.Error, "its run is gone") {
		t.Errorf("it failed with %v: %s", failed.ExitCode, failed.Error)
	}
	e.again(always)
	e.program.terminate()
}

// engineTest is a worker with many lives over an engine that goes down.
type engineTest struct {
	t       *testing.T
	worker  *loneWorker
	args    []string
	program *program
	client  *client.Client
}

// asked is the exit code of a task that was asked to end.
const asked = 7

// live starts a life of the worker.
func (e *engineTest) live() {
	e.t.Helper()
	e.program = e.worker.start(e.args...)
	e.client = e.worker.client(e.program)
}

// submit starts a task without end.
func (e *engineTest) submit(policy task.RestartPolicy) *task.Task {
	e.t.Helper()
	event := e.worker.forever()
	event.Task.Command = []string{"term", fmt.Sprint(asked), "out", "ready", "forever"}
	event.Task.RestartPolicy = policy
	if _, err := e.client.Submit(e.t.Context(), event); err != nil {
		e.t.Fatal(err)
	}
	started := e.await(event.Task.ID, task.Running)
	until(e.t, 30*time.Second, "it is ready for signals", func() bool {
		_, output := get(e.t, e.program.url()+"/tasks/"+started.ID.String()+"/logs")
		return strings.Contains(output, "ready")
	})
	return started
}

// await waits until a task is in the state, for longer than a worker may leave an
// engine alone that was down.
func (e *engineTest) await(id uuid.UUID, state task.State) *task.Task {
	e.t.Helper()
	return e.awaitThat(id, "is "+state.String(), func(got *task.Task) bool { return got.State == state })
}

// again waits until a task runs again, in another container.
func (e *engineTest) again(was *task.Task) *task.Task {
	e.t.Helper()
	return e.awaitThat(was.ID, "was restarted", func(got *task.Task) bool {
		return got.State == task.Running && got.RestartCount > was.RestartCount && got.ContainerID != was.ContainerID
	})
}

func (e *engineTest) awaitThat(id uuid.UUID, what string, holds func(*task.Task) bool) *task.Task {
	e.t.Helper()
	var got *task.Task
	until(e.t, time.Minute, fmt.Sprintf("task %s %s", id, what), func() bool {
		var err error
		got, err = e.client.Task(e.t.Context(), id)
		return err == nil && holds(got)
	})
	return got
}

// awaitReady waits until the worker's answer to whether it is ready has the status.
func (e *engineTest) awaitReady(want int) {
	e.t.Helper()
	until(e.t, time.Minute, fmt.Sprintf("/-/ready answers %d", want), func() bool {
		status, _ := get(e.t, e.program.url()+"/-/ready")
		return status == want
	})
}

// reboot has the worker's next lives find another boot: a /proc that is the
// machine's but for the boot's name and time.
func (e *engineTest) reboot() {
	e.t.Helper()
	proc := e.t.TempDir()
	replace(e.t, "/proc", proc, "stat", func(stat string) string {
		return regexp.MustCompile(`(?m)^btime .*$`).ReplaceAllString(stat, fmt.Sprint("btime ", time.Now().Unix()+1)) // whole seconds
	})
	replace(e.t, "/proc", proc, "sys/kernel/random/boot_id", func(string) string { return uuid.NewString() + "\n" })
	e.args = append(e.args[:1:1], "--path.procfs="+proc)
}

// replace makes a tree that is the other one, by symbolic links, but for one file.
func replace(t *testing.T, from, to, name string, change func(string) string) {
	t.Helper()
	first, rest, deep := strings.Cut(name, "/")
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, err := os.Lstat(filepath.Join(to, entry.Name())); err == nil || entry.Name() == first {
			continue // replaced before, or now
		}
		if err := os.Symlink(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	from, to = filepath.Join(from, first), filepath.Join(to, first)
	_ = os.Remove(to) // the link of an earlier replacement
	if deep {
		if err := os.Mkdir(to, 0o700); err != nil {
			t.Fatal(err)
		}
		replace(t, from, to, rest, change)
		return
	}
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}
