package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

func TestExecRunsBesideTheTask(t *testing.T) {
	rt := newRuntime(t, Config{})
	dir := t.TempDir()
	r := start(t, rt, &task.Task{Command: []string{"sleep", "1000"}, Env: []string{"WHO=task"}, WorkingDir: dir})
	sh := func(script string) (int, error) {
		return rt.Exec(t.Context(), r.Key, []string{"sh", "-c", script})
	}
	for script, want := range map[string]int{
		"exit 0": 0, "exit 5": 5, "kill -9 $$": 137,
		`test "$WHO" = task && test "$PWD" = ` + dir: 0,
		"test -z \"$GOMAXPROCS\"":                    0,
	} {
		if got, err := sh(script); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", script, got, err, want)
		}
	}
	// In the task's cgroups, every one of them that it was put in.
	out := filepath.Join(dir, "cgroup")
	if _, err := sh("cat /proc/self/cgroup > " + out); err != nil {
		t.Error(err)
	}
	own, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pidOf(t, r)), "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != string(own) {
		t.Errorf("a command beside the task was in\n%s\n%v; the task is in\n%s", got, err, own)
	}
	if _, err := rt.Exec(t.Context(), r.Key, []string{"no-such-check"}); err == nil || !strings.Contains(err.Error(), "no-such-check") {
		t.Errorf("a command that is not there: %v", err)
	}
	if _, err := rt.Exec(t.Context(), worker.Key{Task: uuid.New()}, []string{"true"}); !errors.Is(err, worker.ErrUnknownRun) {
		t.Errorf("beside an unknown run: %v", err)
	}
}

func TestExecIsKilledWithItsContext(t *testing.T) {
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, "sleep", "1000")
	path := fifo(t, rt.config.Dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := rt.Exec(ctx, r.Key, []string{"sh", "-c", "echo $$ > " + path + "; sleep 1000; true"})
		ended <- err
	}()
	// Opened for both, so that it does not wait for a command that never comes.
	said, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	pid := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(said).ReadString('\n') // empty where it is closed
		pid <- line
	}()
	var number string
	select {
	case number = <-pid:
	case err := <-ended:
		t.Fatalf("it ended before its time: %v", errors.Join(err, said.Close()))
	}
	if err := said.Close(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if alive(atoi(t, number)) {
		t.Error("the command lives")
	}
	if !alive(pidOf(t, r)) {
		t.Error("the task was killed")
	}
}

func TestExecManyAtATime(t *testing.T) {
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, "sleep", "1000")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if got, err := rt.Exec(ctx, r.Key, []string{"sh", "-c", fmt.Sprint("exit ", i)}); err != nil || got != i {
				t.Errorf("got %d, %v; want %d", got, err, i)
			}
		})
	}
	all.Wait()
	// This process has left the task's cgroup with every thread.
	if rt.cgroups == nil {
		return
	}
	g := rt.find(r.Key).record.Cgroup
	for _, controller := range []string{"cpu", "memory"} {
		procs, err := os.ReadFile(g.File(controller, "cgroup.procs"))
		if g.Version == 1 && (err != nil || strings.TrimSpace(string(procs)) != fmt.Sprint(pidOf(t, r))) {
			t.Errorf("in the task's %s cgroup: %q, %v", controller, procs, err)
		}
	}
}

func TestCheckNamesTheField(t *testing.T) {
	rt := newRuntime(t, Config{NoCgroups: true})
	for field, bad := range map[string]task.Task{
		"Image":        {Image: "nginx", Command: []string{"true"}},
		"Command":      {},
		"PortBindings": {Command: []string{"true"}, PortBindings: map[string]string{"80": "81"}},
		"User":         {Command: []string{"true"}, User: "nobody-of-this-name"},
	} {
		err := rt.Check(&bad)
		if invalid := (*task.ValidationError)(nil); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%+v: got %v; want the field %s", bad, err, field)
		}
	}
	if err := rt.Check(&task.Task{Command: []string{"true"}, PortBindings: map[string]string{"80": "80"}}); err != nil {
		t.Error(err)
	}
}
