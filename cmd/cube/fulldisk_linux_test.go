package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"cube/worker/client"
	"cube/worker/task"
	"cube/worker/wire"
)

// smallDisk is a file system of its own, of a few MiB, at the directory.
type smallDisk struct {
	t   *testing.T
	dir string
}

// newSmallDisk mounts one until the test ends.
func newSmallDisk(t *testing.T, dir string) *smallDisk {
	t.Helper()
	if err := unix.Mount("cube-test", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("no file system can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return &smallDisk{t: t, dir: dir}
}

func (d *smallDisk) filler() string { return filepath.Join(d.dir, "filler") }

// fill takes all the room there is.
func (d *smallDisk) fill() {
	d.t.Helper()
	file, err := os.Create(d.filler())
	if err != nil {
		d.t.Fatal(err)
	}
	for page := make([]byte, os.Getpagesize()); err == nil; {
		_, err = file.Write(page)
	}
	if !errors.Is(err, unix.ENOSPC) {
		d.t.Errorf("filling the disk: %v", err)
	}
	if err := file.Close(); err != nil {
		d.t.Error(err)
	}
}

// empty gives the room back.
func (d *smallDisk) empty() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
}

// measures makes sure that the machine is measured and served.
func measures(t *testing.T, url string) {
	t.Helper()
	for path, want := range map[string]string{"/stats": `"MemStats"`, "/metrics": "cube_cpu_cores"} {
		if status, body := get(t, url+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// refused makes sure that an answer says that the disk is full.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s was taken on a full disk", what)
		return
	}
	answer := wire.AsError(err)
	if answer.Code != wire.CodeUnavailable || !strings.Contains(answer.Message, "no space left on device") {
		t.Errorf("%s on a full disk: %v", what, err)
	}
}

// TestFullDisk: while there is no room, nothing that cannot be written is taken,
// which is said, what runs goes on, over a kill of the worker too, and the machine
// is measured; when there is room again, so does all else.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newLoneWorker(t, runtimeProcess)
	disk := newSmallDisk(t, w.data)
	first := w.start()
	before := w.forever()
	if _, err := w.client(first).Submit(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	ran := awaitState(t, w.client(first), before.Task.ID, task.Running)

	disk.fill()
	late := w.forever()
	// More than the database has room for in the pages that it has.
	for i := range 10 {
		late.Task.Env = append(late.Task.Env, fmt.Sprint("V", i, "=", strings.Repeat("x", 30_000)))
	}
	w.onFullDisk(w.client(first), first, late, ran)
	first.kill()
	second := w.start("--drain")
	c := w.client(second)
	w.onFullDisk(c, second, late, ran)

	disk.empty()
	if _, err := c.Submit(t.Context(), late); err != nil {
		t.Errorf("with room again: %v", err)
	}
	awaitState(t, c, late.Task.ID, task.Running)
	if err := c.Stop(t.Context(), ran.ID, nil); err != nil {
		t.Errorf("with room again: %v", err)
	}
	awaitState(t, c, ran.ID, task.Completed)
	second.terminate()
}

// onFullDisk is what a worker says and does whose disk is full, and whose one task
// runs.
func (w *loneWorker) onFullDisk(c *client.Client, p *program, late task.Event, ran *task.Task) {
	w.t.Helper()
	// However little there is of it: it could be written perhaps, and not be run.
	small := w.forever()
	for what, event := range map[string]task.Event{"a task that cannot be written": late, "a task": small} {
		_, err := c.Submit(w.t.Context(), event)
		if answer := wire.AsError(err); err == nil || answer.Code != wire.CodeNoRoom || answer.Field != "Disk" {
			w.t.Errorf("%s on a full disk: %v", what, err)
		}
	}
	if _, err := c.Task(w.t.Context(), late.Task.ID); wire.AsError(err).Code != wire.CodeNotFound {
		w.t.Errorf("what was refused is there: %v", err)
	}
	measures(w.t, p.url())
	got, err := c.Task(w.t.Context(), ran.ID)
	if err != nil || got.State != task.Running || got.ContainerID != ran.ContainerID {
		w.t.Errorf("the task that ran is %+v, %v", got, err)
	}
}

// TestFullDiskOfOneWorker: a task that a worker has no room on its own disk for is
// not failed there but goes to the next, and waits, with the reason, while there is
// none.
func TestFullDiskOfOneWorker(t *testing.T) {
	f := &fleet{env: []string{"XDG_CONFIG_HOME=" + t.TempDir()}}
	f.manager = startCube(t, f.env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--scrape.interval=1s")
	f.managerURL = f.manager.url()
	f.env = append(f.env, "CUBE_MANAGER="+f.managerURL)
	join := func(dir string) (name string) {
		p := startCube(t, f.env, "worker", "--web.listen-address=127.0.0.1:0", "--data-dir="+dir,
			"--join="+f.managerURL, "--runtime=process", "--drain")
		name = strings.TrimPrefix(p.url(), "http://")
		until(t, time.Minute, "the worker is ready", func() bool { return f.nodes(t)[name].State == wire.NodeReady })
		return name
	}
	dir := t.TempDir()
	disk := newSmallDisk(t, dir)
	join(dir)
	disk.fill()
	mustCube(t, f.env, "run", "--", "sleep", "86421")
	find := func() wire.PlacedTask {
		tasks := f.tasks(t)
		if len(tasks) != 1 {
			t.Fatalf("listed are %+v; want the one task", tasks)
		}
		return tasks[0]
	}
	until(t, time.Minute, "the task waits, and says why", func() bool {
		placed := find()
		if placed.State != task.Pending && placed.State != task.Scheduled {
			t.Fatalf("it is %s: %s", placed.State, placed.Error)
		}
		return placed.State == task.Pending && strings.Contains(placed.PendingReason, "Disk:")
	})
	name := join(t.TempDir())
	until(t, time.Minute, "the task runs on the other worker", func() bool {
		placed := find()
		return placed.State == task.Running && placed.Node == name
	})
	disk.empty()
}

// TestStartOnFullDisk: a worker that finds no room for its state measures the
// machine, and says why it takes no tasks.
func TestStartOnFullDisk(t *testing.T) {
	t.Parallel()
	w := newLoneWorker(t, runtimeProcess)
	disk := newSmallDisk(t, w.data)
	disk.fill()
	first := w.start()
	measures(t, first.url())
	_, err := w.client(first).Submit(t.Context(), w.forever())
	refused(t, "a task", err)
	first.await(`takes no tasks, it only measures.*no space left on device`, time.Second)
	first.terminate()

	disk.empty()
	c := w.client(w.start("--drain"))
	e := w.forever()
	e.Task.ID = uuid.New()
	if _, err := c.Submit(t.Context(), e); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	awaitState(t, c, e.Task.ID, task.Running)
}
