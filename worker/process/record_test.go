package process

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"cube/worker"
	"cube/worker/process/supervise"
	"cube/worker/task"
)

func TestRecordsSurviveTheDisk(t *testing.T) {
	dir := t.TempDir()
	want := runRecord{
		Version: supervise.RecordVersion, Key: worker.Key{Task: uuid.New(), Allocation: 7, Restart: 2},
		Supervisor: supervise.Identity{BootID: "boot", PID: 12, Start: 34},
		Cgroup:     &supervise.Group{Version: 1, Mount: "/m", Paths: map[string]string{"cpu": "/a"}},
		HostPorts:  map[string][]task.PortBinding{"80/tcp": {{HostIp: "0.0.0.0", HostPort: "80"}}},
		Created:    time.Unix(5, 6).UTC(),
	}
	if err := writeRunRecord(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := readRecord[runRecord](dir, supervise.RunFile)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v; want %+v", got, err, want)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("in the directory: %v, %v; want the record alone", entries, err)
	}
}

func TestRecordsThatCannotBeAreRefusedAndKept(t *testing.T) {
	for text, says := range map[string]string{
		``:                         "EOF",
		`{"Version":1`:             "unexpected EOF",
		`{"Version":2,"Code":0}`:   "version 2",
		`{"Version":1,"Code":256}`: "256",
		`{"Version":1,"Code":-1}`:  "-1",
		`{"Version":1}{}`:          "follows",
		strings.Repeat(" ", 2<<20): "larger",
		"\x00\x00\x00\x00\x00\x00": "invalid",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, supervise.ExitFile)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readRecord[supervise.Exit](dir, supervise.ExitFile)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%.30q: got %v; want an error with %q that names the file", text, err, says)
		}
	}
}

func TestKeyIsReadAsItIsWritten(t *testing.T) {
	key := worker.Key{Task: uuid.New(), Allocation: 1 << 63, Restart: 12}
	if got, err := parseKey(key.String()); err != nil || got != key {
		t.Errorf("%s is read as %v, %v", key, got, err)
	}
	id := key.Task.String()
	for _, name := range []string{"", id, id + "-", id + "-1", id + "-1-", id + "-01-1", id + "-1-+1", id + "-1-1x", strings.ToUpper(id) + "x-1-1", id + "--1-1", "../" + id + "-1-1"} {
		if got, err := parseKey(name); err == nil {
			t.Errorf("%q is read as %v", name, got)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"Version":1,"Code":137,"OOMKilled":true,"Time":"2026-01-02T03:04:05Z","Error":"x"}`))
	f.Add([]byte(`{"Version":1,"Key":{"Task":"6be4cb6b-61d1-40cb-bc7b-9cacefefa60c"},"Supervisor":{"BootID":"b","PID":1,"Start":2}}`))
	f.Add([]byte(`{"Version":1,"Task":{"PID":4}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if exit, err := decodeRecord[supervise.Exit](data); err == nil {
			if exit.Code != nil && (*exit.Code < 0 || *exit.Code > 255) {
				t.Errorf("the exit code %d was read", *exit.Code)
			}
			reread(t, exit)
		}
		if run, err := decodeRecord[runRecord](data); err == nil {
			if run.Supervisor.PID <= 0 {
				t.Errorf("supervisor %+v was read", run.Supervisor)
			}
			reread(t, run)
		}
		if started, err := decodeRecord[supervise.Started](data); err == nil {
			// A PID of 0 or less names groups of processes when killed.
			if started.Task.PID <= 0 {
				t.Errorf("task %+v was read", started.Task)
			}
			reread(t, started)
		}
	})
}

// reread checks that what was read can be written and read again.
func reread[R checked](t *testing.T, record R) {
	t.Helper()
	data, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeRecord[R](data); err != nil {
		t.Errorf("%s was written and cannot be read: %v", data, err)
	}
}

func TestRunWithAnUnreadableRecordIsKilledAndKept(t *testing.T) {
	dir := t.TempDir()
	first := newRuntime(t, Config{Dir: dir, NoCgroups: true})
	r := startCommand(t, first, "sleep", "1000")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "runs", r.Key.String(), supervise.RunFile)
	if err := os.WriteFile(path, []byte(`{"Version":1,`), 0o600); err != nil {
		t.Fatal(err)
	}
	second := newRuntime(t, Config{Dir: dir, NoCgroups: true})
	exit := wait(t, second, r.Key)
	if exit.Code != nil || !strings.Contains(exit.Error, path) {
		t.Errorf("ended with %s, %q; want an unknown code and the name of the record", code(exit), exit.Error)
	}
	if alive(pidOf(t, r)) {
		t.Error("nobody watches the task, and it lives")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != `{"Version":1,` {
		t.Errorf("the record is now %q, %v", text, err)
	}
}

func TestRunOfALaterVersionIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	first := newRuntime(t, Config{Dir: dir})
	r := startCommand(t, first, "sleep", "1000")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "runs", r.Key.String(), supervise.RunFile)
	record, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(record), `"Version":1`, `"Version":2`, 1)
	if err := os.WriteFile(path, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("opened with error %v; want one that names the version", err)
	}
	if !alive(pidOf(t, r)) {
		t.Error("the task was killed")
	}
	if err := os.WriteFile(path, record, 0o600); err != nil {
		t.Fatal(err)
	}
	newRuntime(t, Config{Dir: dir}) // whose end kills it
}

func TestExitCodeIsKeptOnAFullDisk(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=700"); err != nil {
		t.Skipf("no file system can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	rt := newRuntime(t, Config{Dir: dir})
	r := startCommand(t, rt, "sh", "-c", "head -c 1000000 /dev/zero > "+filepath.Join(dir, "fill")+"; echo full; exit 9")
	exit := wait(t, rt, r.Key)
	if code(exit) != "9" || !strings.Contains(exit.Error, "lost") {
		t.Errorf("ended with %s, %q; want 9, and that output was lost", code(exit), exit.Error)
	}
}
