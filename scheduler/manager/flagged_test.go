package manager

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cube/worker/task"
	"cube/worker/wire"
)

// withFile is a fleet whose nodes come from a file.
func withFile(t *testing.T, path string) *fleet {
	t.Helper()
	f := &fleet{
		t: t, store: newMemStore(), log: new(lockedBuffer), workers: map[string]*fakeWorker{},
		cfg: func(c *Config) { c.WorkersFile = path },
	}
	for _, name := range []string{"a:1", "b:1", "c:1"} {
		f.workers[name] = newFakeWorker(name, fakeRoom)
	}
	f.start()
	synctest.Wait()
	return f
}

func (f *fleet) nodeNames() string {
	var listed []string
	for node := range f.Nodes() {
		listed = append(listed, node.Name)
	}
	return strings.Join(listed, " ")
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFileOfWorkersIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "workers.json")
		f := withFile(t, path)
		if got := f.nodeNames(); got != "" || !contains(f.log.String(), "no such file") {
			t.Errorf("without the file the nodes are %q", got)
		}
		writeFile(t, path, `[{"targets":["a:1","b:1"],"labels":{"zone":"x","__scheme__":"http"}}]`)
		f.wait(5 * time.Second)
		if got := f.nodeNames(); got != "a:1 b:1" {
			t.Errorf("the nodes are %q", got)
		}
		if node, _ := f.Node("a:1"); node.URL != "http://a:1" || len(node.Labels) != 1 || node.Labels["zone"] != "x" {
			t.Errorf("the node is %+v", node)
		}
		id := f.submit(nil)
		placed, _ := f.Task(id)
		writeFile(t, path, `[{"targets":["c:1"],"labels":{"node":"c:1"}}]`)
		f.wait(5 * time.Second)
		// The node with a task drains first.
		if got := f.nodeNames(); got != placed.Node+" c:1" {
			t.Errorf("the nodes are %q", got)
		}
		if state := f.nodeState(placed.Node); state != wire.NodeDraining {
			t.Errorf("the node is %s", state)
		}
		f.is(id, task.Running, placed.Node)
		if err := f.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		f.wait(5 * time.Second)
		if got := f.nodeNames(); got != "c:1" {
			t.Errorf("the nodes are %q", got)
		}
		for _, bad := range []string{`[{"targets":["c:1"`, `{}`, `[{"targets":["http://x"]}]`} {
			writeFile(t, path, bad)
			f.wait(5 * time.Second)
			if got := f.nodeNames(); got != "c:1" {
				t.Errorf("after %s the nodes are %q", bad, got)
			}
		}
	})
}

func TestFileOfWorkersMayBeYAML(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workers.yml")
	writeFile(t, path, "- targets: [a:1]\n  labels: {node: one, __scheme__: https}\n")
	records, err := readWorkersFile(path)
	if err != nil || len(records) != 1 || records[0].Name != "one" || records[0].URL != "https://a:1" {
		t.Errorf("read %+v, %v", records, err)
	}
}

func TestNodesOfFlagsLeaveWithTheFlag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := withFile(t, "")
		f.stop()
		f.cfg = func(c *Config) { c.Workers = []wire.Join{{URL: "http://a:1"}, {URL: "http://b:1"}} }
		f.start()
		synctest.Wait()
		f.join("c:1")
		if got := f.nodeNames(); got != "a:1 b:1 c:1" {
			t.Fatalf("the nodes are %q", got)
		}
		f.stop()
		f.cfg = func(c *Config) { c.Workers = []wire.Join{{URL: "http://b:1"}} }
		f.start()
		synctest.Wait()
		if got := f.nodeNames(); got != "b:1 c:1" {
			t.Errorf("the nodes are %q", got)
		}
	})
}

func TestJoinAgainBringsANodeUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		id := f.submit(nil)
		f.mu.Lock()
		f.workers["moved"] = f.workers["node-1"]
		f.mu.Unlock()
		if _, err := f.Join(t.Context(), wire.Join{URL: "http://moved", Name: "node-1", Labels: map[string]string{"zone": "a"}}); err != nil {
			t.Fatal(err)
		}
		f.wait(fakeInterval)
		node, _ := f.Node("node-1")
		if node.URL != "http://moved" || node.Labels["zone"] != "a" || node.State != wire.NodeReady || node.Tasks != 1 {
			t.Errorf("the node is %+v", node)
		}
		f.is(id, task.Running, "node-1")
		constrained := f.submit(func(t *task.Task) { t.Constraints = []string{"zone==a"} })
		f.is(constrained, task.Running, "node-1")
		_, err := f.Join(t.Context(), wire.Join{URL: "http://moved", Name: "node-2"})
		has(t, err, wire.CodeInvalid, "node-1")
	})
}
