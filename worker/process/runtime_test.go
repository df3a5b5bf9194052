package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/process/supervise"
	"cube/worker/task"
)

func TestRunEndsWithItsExitCode(t *testing.T) {
	rt := newRuntime(t, Config{})
	for _, test := range []struct {
		script, code, says string
	}{
		{"exit 0", "0", ""},
		{"exit 3", "3", ""},
		{"exit 255", "255", ""},
		{"kill -9 $$", "137", "SIGKILL"},
		{"kill -TERM $$", "143", "SIGTERM"},
	} {
		t.Run(test.script, func(t *testing.T) {
			before := time.Now()
			r := startCommand(t, rt, "sh", "-c", test.script)
			exit := wait(t, rt, r.Key)
			if code(exit) != test.code || !strings.Contains(exit.Error, test.says) || exit.OOMKilled {
				t.Errorf("%q ended with %s, %+v; want %s", test.script, code(exit), exit, test.code)
			}
			if r.StartTime.Before(before) || exit.Time.Before(r.StartTime) || exit.Time.After(time.Now()) {
				t.Errorf("started %v, ended %v", r.StartTime, exit.Time)
			}
			if _, err := rt.Usage(t.Context(), r.Key); err == nil {
				t.Error("an ended run has usage")
			}
		})
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, "sleep", "100")
	if err := rt.Remove(t.Context(), r.Key); err == nil {
		t.Error("a running run was removed")
	}
	if err := rt.Stop(t.Context(), r.Key, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if exit := wait(t, rt, r.Key); code(exit) != "143" {
		t.Errorf("a stopped sleep ended with %s", code(exit))
	}
	cgroup := rt.find(r.Key).record.Cgroup
	for range 2 { // not known is no error
		if err := rt.Remove(t.Context(), r.Key); err != nil {
			t.Error(err)
		}
	}
	nothingLeft(t, rt, cgroup)
	if _, err := rt.Wait(t.Context(), r.Key); !errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("waiting for a removed run: %v", err)
	}
	if err := rt.Stop(t.Context(), r.Key, 0); err != nil {
		t.Errorf("stopping a removed run: %v", err)
	}
}

// nothingLeft checks that there is no run's directory, and not that cgroup.
func nothingLeft(t *testing.T, rt *Runtime, g *supervise.Group) {
	t.Helper()
	if entries, err := os.ReadDir(rt.runs); err != nil || len(entries) != 0 {
		t.Errorf("left in %s: %v, %v", rt.runs, entries, err)
	}
	if list, err := rt.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("listed: %v, %v", list, err)
	}
	if g == nil {
		return
	}
	for controller, path := range g.Paths {
		if _, err := os.Stat(filepath.Join(g.Mount, controller, path)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the cgroup %s of %s is there: %v", path, controller, err)
		}
	}
}

func TestWhatCannotStartIsAnErrorAndLeavesNothing(t *testing.T) {
	rt := newRuntime(t, Config{})
	plainFile := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plainFile, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		task task.Task
		says string
		is   error
	}{
		"no such command":   {task.Task{Command: []string{"no-such-command-here"}}, `"no-such-command-here"`, nil},
		"no such file":      {task.Task{Command: []string{"/no/such/file"}}, `"/no/such/file"`, fs.ErrNotExist},
		"not executable":    {task.Task{Command: []string{plainFile}}, "plain", fs.ErrPermission},
		"no such directory": {task.Task{Command: []string{"true"}, WorkingDir: "/no/such/dir"}, `"/no/such/dir"`, fs.ErrNotExist},
		"no such user":      {task.Task{Command: []string{"true"}, User: "nobody-of-this-name"}, "nobody-of-this-name", nil},
		"no command":        {task.Task{}, "Command", nil},
		"image":             {task.Task{Image: "nginx", Command: []string{"true"}}, "Image", nil},
		"mapped port":       {task.Task{Command: []string{"true"}, PortBindings: map[string]string{"80/tcp": "8080"}}, "8080", nil},
	} {
		t.Run(name, func(t *testing.T) {
			key := worker.Key{Task: uuid.New()}
			_, err := rt.Start(t.Context(), key, &test.task)
			if err == nil || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got error %v; want one that names %s", err, test.says)
			}
			t.Log(err)
			var g *supervise.Group
			if rt.cgroups != nil {
				g = rt.cgroups.group(key.String())
			}
			nothingLeft(t, rt, g)
		})
	}
}

func TestSameKeyRunsOnce(t *testing.T) {
	rt := newRuntime(t, Config{})
	first := startCommand(t, rt, "sleep", "100")
	again, err := rt.Start(t.Context(), first.Key, &task.Task{Command: []string{"sleep", "100"}})
	if err != nil || again.Handle != first.Handle {
		t.Errorf("started again: %+v, %v; want %+v", again, err, first)
	}
}

func TestTaskGetsWhatItAsksFor(t *testing.T) {
	t.Setenv("WORKER_SECRET", "hush")
	rt := newRuntime(t, Config{})
	dir := t.TempDir()
	r := start(t, rt, &task.Task{
		Command:      []string{"sh", "-c", `pwd; echo "$A"; echo "$PATH"; echo "${WORKER_SECRET-unset}"; ulimit -c; cat`},
		Env:          []string{"A=b c", "PATH=/bin:/usr/bin"},
		WorkingDir:   dir,
		ExposedPorts: map[string]struct{}{"80": {}},
		PortBindings: map[string]string{"53/udp": "0"},
	})
	if exit := wait(t, rt, r.Key); code(exit) != "0" {
		t.Errorf("ended with %s, %s", code(exit), exit.Error)
	}
	want := dir + "\nb c\n/bin:/usr/bin\nunset\n0\n"
	if got := logs(t, rt, r.Key, allLogs); got != want {
		t.Errorf("printed %q; want %q", got, want)
	}
	if got := fmt.Sprint(r.HostPorts); got != "map[53/udp:[{0.0.0.0 53}] 80/tcp:[{0.0.0.0 80}]]" {
		t.Errorf("host ports %s", got)
	}
}

func TestRestartedWorkerFindsItsRuns(t *testing.T) {
	dir := t.TempDir()
	first := newRuntime(t, Config{Dir: dir})
	ended := startCommand(t, first, "sh", "-c", "echo over; exit 4")
	wait(t, first, ended.Key)
	running := startCommand(t, first, "sh", "-c", "echo before; read go < "+fifo(t, dir)+"; echo after; exit 5")
	firstLines(t, first, running.Key, 1)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := newRuntime(t, Config{Dir: dir})
	list, err := second.List(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("listed %v, %v; want two runs", list, err)
	}
	for _, r := range list {
		switch {
		case r.Key == ended.Key:
			if r.Exit == nil || code(*r.Exit) != "4" {
				t.Errorf("the ended run is listed as %+v", r)
			}
		case r.Exit != nil || r.Handle != running.Handle || !r.StartTime.Equal(running.StartTime):
			t.Errorf("the running run is listed as %+v; want %+v", r, running)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "fifo"), []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if exit := wait(t, second, running.Key); code(exit) != "5" {
		t.Errorf("ended with %s, %s", code(exit), exit.Error)
	}
	if got := logs(t, second, running.Key, allLogs); got != "before\nafter\n" {
		t.Errorf("printed %q", got)
	}
	if got := logs(t, second, ended.Key, allLogs); got != "over\n" {
		t.Errorf("the ended run printed %q", got)
	}
}

func TestClosedRuntimeLeavesTheRunsAlone(t *testing.T) {
	dir := t.TempDir()
	rt := newRuntime(t, Config{Dir: dir})
	r := startCommand(t, rt, "sleep", "1000")
	output, err := rt.Logs(t.Context(), r.Key, worker.LogOptions{Follow: true, Tail: -1})
	if err != nil {
		t.Fatal(err)
	}
	waited, read := make(chan error), make(chan error)
	go func() { _, err := rt.Wait(t.Context(), r.Key); waited <- err }()
	go func() { _, err := output.Read(make([]byte, 1)); read <- err }()
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waited; err == nil {
		t.Error("a wait on a closed runtime has an answer")
	}
	if err := <-read; err == nil {
		t.Error("a reader of a closed runtime reads on")
	}
	if err := output.Close(); err != nil {
		t.Error(err)
	}
	if !alive(pidOf(t, r)) {
		t.Error("the run has ended")
	}
	if _, err := rt.Start(t.Context(), worker.Key{Task: uuid.New()}, &task.Task{Command: []string{"true"}}); err == nil {
		t.Error("a closed runtime started a task")
	}
	newRuntime(t, Config{Dir: dir}) // whose end kills it
}
