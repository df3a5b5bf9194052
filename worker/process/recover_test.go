package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/process/supervise"
)

// startUnderWay makes what a worker leaves that dies right after it has given
// its order: a living supervisor on record, and no word of the task yet. The
// supervisor is a program that ends when its input does.
func startUnderWay(t *testing.T) (dir, path string, key worker.Key, supervisor *exec.Cmd, end func()) {
	t.Helper()
	dir, key = t.TempDir(), worker.Key{Task: uuid.New()}
	path = filepath.Join(dir, "runs", key.String())
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	supervisor = exec.Command("cat")
	input, err := supervisor.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = supervisor.Wait()
	})
	bootID, err := supervise.BootID()
	if err != nil {
		t.Fatal(err)
	}
	since, err := supervise.StartTime(supervisor.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	record := runRecord{
		Version: supervise.RecordVersion, Key: key, Created: time.Now(),
		Supervisor: supervise.Identity{BootID: bootID, PID: supervisor.Process.Pid, Start: since},
	}
	if err := writeRunRecord(path, record); err != nil {
		t.Fatal(err)
	}
	return dir, path, key, supervisor, func() { _ = input.Close() }
}

func TestStartUnderWayIsWaitedFor(t *testing.T) {
	dir, path, key, supervisor, end := startUnderWay(t)
	bootID, err := supervise.BootID()
	if err != nil {
		t.Fatal(err)
	}
	started := supervise.Started{Version: supervise.RecordVersion, Time: time.Now(), Task: supervise.Identity{BootID: bootID, PID: supervisor.Process.Pid, Start: 1}}
	time.AfterFunc(50*time.Millisecond, func() {
		if err := supervise.WriteRecord(path, supervise.StartedFile, started.AppendJSON(nil), false); err != nil {
			t.Error(err)
		}
	})
	rt := newRuntime(t, Config{Dir: dir, NoCgroups: true})
	list, err := rt.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Key != key || list[0].Exit != nil || !list[0].StartTime.Equal(started.Time) {
		t.Errorf("listed %+v, %v; want the run, running", list, err)
	}
	end()
	wait(t, rt, key)
}

func TestStartThatNeverCameToBeIsForgotten(t *testing.T) {
	dir, path, key, _, end := startUnderWay(t)
	time.AfterFunc(50*time.Millisecond, func() {
		// As a supervisor that gets no order.
		if err := discard(path); err != nil {
			t.Error(err)
		}
		end()
	})
	rt := newRuntime(t, Config{Dir: dir, NoCgroups: true})
	nothingLeft(t, rt, nil)
	if rt.find(key) != nil {
		t.Error("the run is known")
	}
}

func TestSupervisorThatEndsWhileItStartsIsLost(t *testing.T) {
	dir, _, key, _, end := startUnderWay(t)
	time.AfterFunc(50*time.Millisecond, end)
	rt := newRuntime(t, Config{Dir: dir, NoCgroups: true})
	if exit := wait(t, rt, key); exit.Code != nil || exit.Error == "" {
		t.Errorf("ended with %s, %q", code(exit), exit.Error)
	}
}

func TestHalfMadeAndHalfRemovedRunsAreCleared(t *testing.T) {
	dir := t.TempDir()
	for _, files := range [][]string{{}, {supervise.LogFile}, {supervise.ExitFile, supervise.LogFile, "output.1.log"}} {
		path := filepath.Join(dir, "runs", worker.Key{Task: uuid.New()}.String())
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if err := os.WriteFile(filepath.Join(path, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	stranger := filepath.Join(dir, "runs", "lost+found")
	if err := os.Mkdir(stranger, 0o700); err != nil {
		t.Fatal(err)
	}
	newRuntime(t, Config{Dir: dir, NoCgroups: true})
	entries, err := os.ReadDir(filepath.Join(dir, "runs"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "lost+found" {
		t.Errorf("left: %v, %v; want lost+found alone", entries, err)
	}
}
