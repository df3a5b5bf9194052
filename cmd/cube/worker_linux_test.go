package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"cube/worker/client"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
	"cube/worker/wire"
)

// loneWorker is a worker without a manager, with a data directory that outlives
// it.
type loneWorker struct {
	t       *testing.T
	runtime string
	data    string
	image   string // of Docker tasks
	env     []string
}

// newLoneWorker prepares one; its containers are removed at the end.
func newLoneWorker(t *testing.T, runtime string) *loneWorker {
	t.Helper()
	w := &loneWorker{t: t, runtime: runtime, data: t.TempDir(), env: []string{"XDG_CONFIG_HOME=" + t.TempDir()}}
	if runtime == runtimeDocker {
		w.image = dockertest.Image(t)
		if err := os.WriteFile(filepath.Join(w.data, "id"), []byte(dockertest.Owner(t)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// start starts a life of it.
func (w *loneWorker) start(args ...string) *program {
	w.t.Helper()
	return startCube(w.t, w.env, append([]string{"worker", "--web.listen-address=127.0.0.1:0", "--web.insecure",
		"--runtime=" + w.runtime, "--data-dir=" + w.data}, args...)...)
}

// client is the client of a life.
func (w *loneWorker) client(p *program) *client.Client {
	w.t.Helper()
	c, err := client.New(p.url(), &http.Client{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// forever is an event that starts a task without end.
func (w *loneWorker) forever() task.Event {
	e := task.Event{ID: uuid.New(), State: task.Running, Timestamp: time.Now(), Task: task.Task{ID: uuid.New(), Name: "forever", Allocation: 1}}
	e.Task.Command = []string{"sleep", "86421"}
	if w.runtime == runtimeDocker {
		e.Task.Image, e.Task.Command = w.image, []string{"term", "0", "forever"}
	}
	return e
}

// awaitState waits until the worker's task is in the state.
func awaitState(t *testing.T, c *client.Client, id uuid.UUID, state task.State) *task.Task {
	t.Helper()
	var got *task.Task
	until(t, 30*time.Second, "task "+id.String()+" is "+state.String(), func() bool {
		var err error
		got, err = c.Task(t.Context(), id)
		return err == nil && got.State == state
	})
	return got
}

// terminate ends the program with SIGTERM, and it has to end well.
func (p *program) terminate() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.interrupt()
}

// TestStopOfTheWorker: SIGTERM leaves tasks running, which the next life has
// again, not restarted; with --drain it stops them.
func TestStopOfTheWorker(t *testing.T) {
	t.Parallel()
	for _, runtime := range []string{runtimeProcess, runtimeDocker} {
		t.Run(runtime, func(t *testing.T) {
			w := newLoneWorker(t, runtime)
			first := w.start()
			e := w.forever()
			if _, err := w.client(first).Submit(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			before := awaitState(t, w.client(first), e.Task.ID, task.Running)
			first.terminate()

			second := w.start("--drain")
			after := awaitState(t, w.client(second), e.Task.ID, task.Running)
			if after.ContainerID != before.ContainerID || !after.StartTime.Equal(before.StartTime) || after.RestartCount != 0 {
				t.Errorf("it was\n%+v, and is\n%+v", before, after)
			}
			second.terminate()

			third := w.start()
			ended := awaitState(t, w.client(third), e.Task.ID, task.Completed)
			if pid := strings.TrimPrefix(ended.ContainerID, "pid:"); runtime == runtimeProcess {
				if _, err := os.Stat("/proc/" + pid); err == nil {
					t.Errorf("process %s is still there", pid)
				}
			}
		})
	}
}

// TestSecondWorkerIsRefused: two workers on one data directory would run every
// task twice.
func TestSecondWorkerIsRefused(t *testing.T) {
	t.Parallel()
	w := newLoneWorker(t, runtimeProcess)
	first := w.start()
	first.url()
	_, stderr, code := cube(t, w.env, "worker", "--web.listen-address=127.0.0.1:0", "--runtime=process", "--data-dir="+w.data)
	if code != 1 || !strings.Contains(stderr, filepath.Join(w.data, "worker.db")+" is in use by another process") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
}

// TestWorkerWithUnusableState: the machine is measured and served, tasks are
// refused with the reason, and the file stays as it is.
func TestWorkerWithUnusableState(t *testing.T) {
	t.Parallel()
	newer := func(t *testing.T, path string) {
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			meta, err := tx.CreateBucket([]byte("meta"))
			if err != nil {
				return err
			}
			if _, err := tx.CreateBucket([]byte("tasks")); err != nil {
				return err
			}
			return meta.Put([]byte("schema"), []byte("99"))
		})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	damaged := func(t *testing.T, path string) {
		if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 4096), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		write func(*testing.T, string)
		says  string
	}{
		"newer":   {newer, "it was written by a newer version"},
		"damaged": {damaged, "is damaged and was left as it is"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLoneWorker(t, runtimeProcess)
			path := filepath.Join(w.data, "worker.db")
			test.write(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p := w.start("--join=http://127.0.0.1:1")
			url := p.url()
			for path, want := range map[string]string{"/stats": `"MemStats"`, "/metrics": "cube_cpu_cores"} {
				if status, body := get(t, url+path); status != http.StatusOK || !strings.Contains(body, want) {
					t.Errorf("%s: %d %s", path, status, body)
				}
			}
			_, err = w.client(p).Submit(t.Context(), w.forever())
			if answer := wire.AsError(err); answer.Code != wire.CodeUnavailable || !strings.Contains(answer.Message, test.says) {
				t.Errorf("a task is answered with %v", err)
			}
			if status, body := get(t, url+"/tasks"); status != http.StatusServiceUnavailable || !strings.Contains(body, test.says) {
				t.Errorf("/tasks: %d %s", status, body)
			}
			if status, body := get(t, url+"/-/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, test.says) {
				t.Errorf("/-/ready: %d %s", status, body)
			}
			if status, _ := get(t, url+"/-/healthy"); status != http.StatusOK {
				t.Errorf("/-/healthy: %d", status)
			}
			p.terminate()
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, %v", err)
			}
			if printed := p.output(); !strings.Contains(printed, test.says) {
				t.Errorf("the log does not say %q:\n%s", test.says, printed)
			}
		})
	}
}

// get asks for a page.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
