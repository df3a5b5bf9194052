package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"cube/worker"
	"cube/worker/process/supervise"
	"cube/worker/task"
)

// The configurations that differ in how descendants are found.
func killConfigs(t *testing.T) map[string]Config {
	t.Helper()
	return map[string]Config{"cgroups": {program: thisProgram}, "no cgroups": {NoCgroups: true}}
}

// escape starts a daemon, whose parent has ended, in a session of its own; another
// in another, and below that, in a third, one that has dropped its environment;
// prints their PIDs, and goes on as the command says.
const escape = `setsid sh -c 'sleep 1000 & echo $!' & wait; ` +
	`for pid in $(setsid sh -c 'setsid env -i sleep 1000 >/dev/null 2>&1 & echo $! $$; exec >/dev/null 2>&1; wait' &); do echo $pid; done; `

// escaped is how many PIDs escape prints.
const escaped = 3

func TestWhatEscapesIsKilledWithTheRun(t *testing.T) {
	for name, config := range killConfigs(t) {
		for how, command := range map[string]string{"its end": "exit 6", "a stop": "exec sleep 1000"} {
			t.Run(name+", "+how, func(t *testing.T) {
				rt := newRuntime(t, config)
				r := startCommand(t, rt, "sh", "-c", escape+command)
				pids := firstLines(t, rt, r.Key, escaped)
				want := "6"
				if how == "a stop" {
					for _, pid := range pids {
						if !alive(atoi(t, pid)) {
							t.Errorf("the daemon %s was killed before the stop", pid)
						}
					}
					want = "143"
					if err := rt.Stop(t.Context(), r.Key, 10*time.Second); err != nil {
						t.Fatal(err)
					}
				}
				if exit := wait(t, rt, r.Key); code(exit) != want {
					t.Errorf("ended with %s, %s; want %s", code(exit), exit.Error, want)
				}
				// Not eventually: the run has not ended while they live.
				for _, pid := range pids {
					if alive(atoi(t, pid)) {
						t.Errorf("the daemon %s outlives the run", pid)
					}
				}
			})
		}
	}
}

func TestLostSupervisorEndsTheRunWithoutACode(t *testing.T) {
	for name, config := range killConfigs(t) {
		t.Run(name, func(t *testing.T) {
			rt := newRuntime(t, config)
			r := startCommand(t, rt, "sh", "-c", escape+"exec sleep 1000")
			pids := firstLines(t, rt, r.Key, escaped)
			if err := unix.Kill(rt.find(r.Key).record.Supervisor.PID, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			exit := wait(t, rt, r.Key)
			if exit.Code != nil || !strings.Contains(exit.Error, "supervisor was lost") {
				t.Errorf("ended with %s, %q", code(exit), exit.Error)
			}
			for _, pid := range append(pids, strings.TrimPrefix(r.Handle, "pid:")) {
				if alive(atoi(t, pid)) {
					t.Errorf("process %s outlives the run", pid)
				}
			}
			// And a later worker hears the same.
			again := newRuntime(t, Config{Dir: rt.config.Dir, NoCgroups: true})
			if later := wait(t, again, r.Key); later.Code != nil || later.Error != exit.Error || !later.Time.Equal(exit.Time) {
				t.Errorf("a later worker reads %+v; want %+v", later, exit)
			}
		})
	}
}

func TestSupervisorLostWhileNoWorkerRan(t *testing.T) {
	for name, config := range killConfigs(t) {
		t.Run(name, func(t *testing.T) {
			config.Dir = t.TempDir()
			first := newRuntime(t, config)
			r := startCommand(t, first, "sh", "-c", escape+"exec sleep 1000")
			pids := firstLines(t, first, r.Key, escaped)
			supervisor := first.find(r.Key).record.Supervisor.PID
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(supervisor, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Wait4(supervisor, nil, 0, nil); err != nil {
				t.Fatal(err)
			}
			second := newRuntime(t, config)
			if exit := wait(t, second, r.Key); exit.Code != nil || exit.Error == "" {
				t.Errorf("ended with %s, %q", code(exit), exit.Error)
			}
			for _, pid := range append(pids, strings.TrimPrefix(r.Handle, "pid:")) {
				if alive(atoi(t, pid)) {
					t.Errorf("process %s outlives the run", pid)
				}
			}
		})
	}
}

func TestStopKillsWhatIgnoresIt(t *testing.T) {
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, "sh", "-c", `trap "echo asked" TERM; echo ready; while :; do sleep 1000 & wait; done`)
	firstLines(t, rt, r.Key, 1)
	before := time.Now()
	const grace = 300 * time.Millisecond
	if err := rt.Stop(t.Context(), r.Key, grace); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(before); took < grace {
		t.Errorf("killed after %v; the grace is %v", took, grace)
	}
	if exit := wait(t, rt, r.Key); code(exit) != "137" {
		t.Errorf("ended with %s", code(exit))
	}
	if got := logs(t, rt, r.Key, allLogs); got != "ready\nasked\n" {
		t.Errorf("printed %q", got)
	}
}

func TestStopThatIsCutShortLeavesTheRun(t *testing.T) {
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, "sh", "-c", `trap "echo asked" TERM; echo ready; while :; do sleep 1000 & wait; done`)
	firstLines(t, rt, r.Key, 1)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- rt.Stop(ctx, r.Key, time.Hour) }()
	firstLines(t, rt, r.Key, 2)
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("stop returned %v", err)
	}
	if !alive(pidOf(t, r)) {
		t.Error("the run has ended")
	}
}

func TestStopWakesAStoppedSupervisor(t *testing.T) {
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, "sleep", "1000")
	for _, pid := range []int{rt.find(r.Key).record.Supervisor.PID, pidOf(t, r)} {
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		// Of two signals that wait, SIGTERM is taken before SIGSTOP.
		eventually(t, "a stopped process", func() bool {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			return err == nil && strings.Contains(string(status), "State:\tT")
		})
	}
	if err := rt.Stop(t.Context(), r.Key, 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if exit := wait(t, rt, r.Key); code(exit) != "137" {
		t.Errorf("ended with %s, %s", code(exit), exit.Error)
	}
}

func TestStartThatIsCutShortLeavesNothing(t *testing.T) {
	rt := newRuntime(t, Config{})
	for _, after := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond, 6 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		key := worker.Key{Task: uuid.New()}
		r, err := rt.Start(ctx, key, &task.Task{Command: []string{"sleep", "1000"}})
		cancel()
		if err == nil {
			if err := rt.Stop(t.Context(), r.Key, 0); err != nil {
				t.Error(err)
			}
			if err := rt.Remove(t.Context(), r.Key); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
		var g *supervise.Group
		if rt.cgroups != nil {
			g = rt.cgroups.group(key.String())
		}
		nothingLeft(t, rt, g)
		noStrays(t, key)
	}
}

// noStrays checks that no process carries the key of the run.
func noStrays(t *testing.T, key worker.Key) {
	t.Helper()
	if left := strays(t, key); len(left) > 0 {
		t.Errorf("of run %s is left: %v", key, left)
	}
}

// strays are the PIDs and names of the processes that carry the key.
func strays(t *testing.T, key worker.Key) []string {
	t.Helper()
	all, err := supervise.Processes()
	if err != nil {
		t.Error(err)
	}
	var left []string
	for _, stat := range all {
		if !stat.Zombie && isStray(stat, key.String(), nil) {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", stat.PID))
			left = append(left, fmt.Sprintf("%d (%s)", stat.PID, bytes.TrimSpace(name)))
		}
	}
	return left
}

func TestRunsOfAnEarlierBootHaveEnded(t *testing.T) {
	dir := t.TempDir()
	key := worker.Key{Task: uuid.New(), Allocation: 2, Restart: 1}
	path := filepath.Join(dir, "runs", key.String())
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	// The PID is that of a living process: this one.
	was := runRecord{Version: supervise.RecordVersion, Key: key, Supervisor: supervise.Identity{BootID: "an earlier one", PID: os.Getpid(), Start: 1}, Created: time.Now()}
	if err := writeRunRecord(path, was); err != nil {
		t.Fatal(err)
	}
	rt := newRuntime(t, Config{Dir: dir})
	if exit := wait(t, rt, key); exit.Code != nil || !strings.Contains(exit.Error, "restarted") {
		t.Errorf("ended with %s, %q", code(exit), exit.Error)
	}
}

func TestAnotherProcessWithThePIDIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	bootID, err := supervise.BootID()
	if err != nil {
		t.Fatal(err)
	}
	key := worker.Key{Task: uuid.New()}
	path := filepath.Join(dir, "runs", key.String())
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := startCommand(t, newRuntime(t, Config{}), "sleep", "1000")
	pid := pidOf(t, stranger)
	was := runRecord{Version: supervise.RecordVersion, Key: key, Supervisor: supervise.Identity{BootID: bootID, PID: pid, Start: 1}, Created: time.Now()}
	started := supervise.Started{Version: supervise.RecordVersion, Task: supervise.Identity{BootID: bootID, PID: pid, Start: 1}, Time: time.Now()}
	if err := errors.Join(writeRunRecord(path, was), supervise.WriteRecord(path, supervise.StartedFile, started.AppendJSON(nil), true)); err != nil {
		t.Fatal(err)
	}
	rt := newRuntime(t, Config{Dir: dir})
	if exit := wait(t, rt, key); exit.Code != nil {
		t.Errorf("ended with %s", code(exit))
	}
	if !alive(pid) {
		t.Error("a process that only has the number of the lost one was killed")
	}
}
