package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// kill ends the program as a power cut does; that it did not end well is as it
// should be.
func (p *program) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatalf("it had ended by itself: %v", err)
	}
	<-p.ended
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = nil
}

// TestReboot: the machine goes down with everything on it. Afterwards its tasks
// have failed, with the reason and without an exit code, and those start again
// whose policy says so.
func TestReboot(t *testing.T) {
	t.Parallel()
	w := newLoneWorker(t, runtimeProcess)
	first := w.start()
	c := w.client(first)
	once, always := w.forever(), w.forever()
	always.ID, always.Task.ID, always.Task.RestartPolicy = uuid.New(), uuid.New(), task.RestartAlways
	before := map[uuid.UUID]*task.Task{}
	for _, e := range []task.Event{once, always} {
		if _, err := c.Submit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		before[e.Task.ID] = awaitState(t, c, e.Task.ID, task.Running)
	}
	first.kill()
	for _, was := range before {
		w.powerCut(strings.TrimPrefix(was.ContainerID, "pid:"))
	}

	second := w.start("--drain")
	c = w.client(second)
	failed := awaitState(t, c, once.Task.ID, task.Failed)
	if failed.ExitCode != nil || !strings.Contains(failed.Error, "the machine was restarted while it ran") {
		t.Errorf("it failed with %v: %s", failed.ExitCode, failed.Error)
	}
	var again *task.Task // one after the other is looked at: at first it may seem to run on
	until(t, 30*time.Second, "task "+always.Task.ID.String()+" runs again", func() bool {
		var err error
		again, err = c.Task(t.Context(), always.Task.ID)
		return err == nil && again.State == task.Running && again.RestartCount > 0
	})
	if again.RestartCount != 1 || again.ContainerID == before[always.Task.ID].ContainerID {
		t.Errorf("it was %s, and is %s after %d restarts", before[always.Task.ID].ContainerID, again.ContainerID, again.RestartCount)
	}
}

// powerCut ends a task's process and its supervisor with nothing written, and
// makes all runs those of an earlier boot.
func (w *loneWorker) powerCut(pid string) {
	w.t.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		w.t.Fatal(err)
	}
	var parent int // the second field after the name, which ends with the last parenthesis
	if _, err := fmt.Sscanf(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " %1s %d", new(string), &parent); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Kill(parent, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	number, err := strconv.Atoi(pid)
	if err != nil {
		w.t.Fatal(err)
	}
	until(w.t, 10*time.Second, "process "+pid+" has gone", func() bool { return syscall.Kill(number, 0) != nil })
	records, err := filepath.Glob(filepath.Join(w.data, "runs", "*", "run.json"))
	if err != nil || len(records) == 0 {
		w.t.Fatalf("there are no records of runs: %v", err)
	}
	for _, path := range records {
		text, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(text, &record); err != nil {
			w.t.Fatal(err)
		}
		record["Supervisor"].(map[string]any)["BootID"] = "of an earlier boot"
		if text, err = json.Marshal(record); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}
