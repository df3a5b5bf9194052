package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cube/worker/task"
	"cube/worker/wire"
)

// TestOperate: drain, resume, remove, back up and restore, as an operator does.
func TestOperate(t *testing.T) {
	t.Parallel()
	f := startSmall(t)
	placed := f.run(t, "--name=kept", "--", "sleep", "600")
	if placed.State != task.Running {
		t.Fatalf("the task is %s: %s", placed.State, placed.PendingReason)
	}
	mustCube(t, f.env, "node", "drain", f.idleName)
	if state := f.nodes(t)[f.idleName].State; state != wire.NodeDraining {
		t.Errorf("the node is %s; want draining", state)
	}
	if held := f.run(t, "--name=held", "--", "sleep", "600"); held.State != task.Pending || !strings.Contains(held.PendingReason, "drain") {
		t.Errorf("a new task is %s: %q", held.State, held.PendingReason)
	}
	if _, stderr, code := cube(t, f.env, "node", "rm", f.idleName); code != 1 || !strings.Contains(stderr, f.idleName) {
		t.Errorf("a node with a live task was removed: %d, %s", code, stderr)
	}
	mustCube(t, f.env, "node", "resume", f.idleName)
	until(t, 20*time.Second, "both run", func() bool {
		running := 0
		for _, one := range f.tasks(t) {
			if one.State == task.Running {
				running++
			}
		}
		return running == 2
	})
	f.checkBackup(t, placed)
}

// checkBackup: a copy taken while the manager runs opens as its state.
func (f *fleet) checkBackup(t *testing.T, placed wire.PlacedTask) {
	t.Helper()
	data := t.TempDir()
	copied := filepath.Join(data, "manager.db")
	mustCube(t, f.env, "backup", copied)
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the copy: %v, %v", info, err)
	}
	if _, stderr, code := cube(t, f.env, "backup", copied); code != 1 || !strings.Contains(stderr, copied) {
		t.Errorf("a file that is there was overwritten: %d, %s", code, stderr)
	}
	f.manager.interrupt() // two managers of one fleet would be one too many
	restored := startCube(t, f.env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+data, "--scrape.interval=1s")
	var tasks []wire.PlacedTask
	fromJSON(t, mustCube(t, f.env, "ps", "--manager="+restored.url(), "--output=json"), &tasks)
	for _, one := range tasks {
		if one.ID == placed.ID && one.State == task.Running && one.Node == f.idleName {
			return
		}
	}
	t.Errorf("the restored manager does not know the task: %+v", tasks)
}

// A worker that does not let the manager in says so where people look; the task
// is not lost.
func TestWorkerThatDoesNotLetTheManagerIn(t *testing.T) {
	t.Parallel()
	f := startSmall(t)
	// Its token lies where this manager does not look.
	env := append([]string{"XDG_CONFIG_HOME=" + t.TempDir()}, f.env[1:]...)
	stranger := startCube(t, env, "worker", "--runtime=process", "--drain", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--node.label=kind=stranger")
	// The manager's own token is needed to join, so it is told by a person.
	body := `{"URL":"` + stranger.url() + `","Name":"stranger","Labels":{"kind":"stranger"}}`
	join(t, f.managerURL, body, readToken(t, f.env, f.managerURL))
	until(t, 20*time.Second, "the stranger is measured", func() bool {
		n := f.nodes(t)["stranger"]
		return n.State == wire.NodeReady && n.CpuUsageRatio != nil
	})
	placed := f.run(t, "--constraint=kind==stranger", "--", "sleep", "600")
	if placed.State != task.Pending || !strings.Contains(placed.PendingReason, "token") {
		t.Errorf("the task is %s: %q; want it pending, for want of a token", placed.State, placed.PendingReason)
	}
}
