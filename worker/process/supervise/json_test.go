package supervise

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"syscall"

	"golang.org/x/sys/unix"
)

// FuzzJSON holds what is written here against what encoding/json makes of the
// same.
func FuzzJSON(f *testing.F) {
	f.Add("", 0, uint64(0), int64(0), false, false)
	f.Add("killed by signal 9 (SIGKILL)", 137, uint64(1<<64-1), int64(1764072000123456789), true, true)
	f.Add("\"quoted\\\" \x00\x1f\t\n\u2028<&>\xff\xc3 ünïcode 🎲", -1, uint64(7), int64(-1), true, false)
	f.Fuzz(func(t *testing.T, text string, n int, start uint64, ns int64, coded, oom bool) {
		at := time.Unix(0, ns).UTC()
		exit := Exit{Version: n, OOMKilled: oom, Time: at, Error: text}
		if coded {
			exit.Code = &n
		}
		started := Started{Version: n, Task: Identity{BootID: text, PID: n, Start: start}, Time: at}
		sameJSON(t, exit, exit.AppendJSON(nil))
		sameJSON(t, started, started.AppendJSON(nil))
		answer := Answer{Started: started, Error: text, Errno: syscall.Errno(start >> 1)}
		sameJSON(t, answer, answer.AppendJSON(nil))
	})
}

// sameJSON checks that the JSON says what encoding/json would write of the value.
func sameJSON[T any](t *testing.T, value T, got []byte) {
	t.Helper()
	want, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var read, reference T
	if err := json.Unmarshal(want, &reference); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &read); err != nil || !reflect.DeepEqual(read, reference) {
		t.Errorf("%s was written, which is %+v, %v; encoding/json writes %s", got, read, err, want)
	}
	var names, wantNames map[string]any
	if err := json.Unmarshal(got, &names); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &wantNames); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(names, wantNames) {
		t.Errorf("%s was written; encoding/json writes %s", got, want)
	}
}

func TestSignalsHaveTheirNames(t *testing.T) {
	for signal := range syscall.Signal(70) {
		if got, want := signalName(signal), unix.SignalName(signal); got != want {
			t.Errorf("signal %d is called %q; want %q", signal, got, want)
		}
	}
}
