package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cube/worker"
	"cube/worker/process/supervise"
)

func TestLogsKeepTheStreamsApart(t *testing.T) {
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, "sh", "-c", `echo out1; echo err1 >&2; echo out2; printf "no end"`)
	wait(t, rt, r.Key)
	for _, test := range []struct {
		opts worker.LogOptions
		want string
	}{
		{worker.LogOptions{Tail: -1, Stdout: true}, "out1\nout2\nno end"},
		{worker.LogOptions{Tail: -1, Stderr: true}, "err1\n"},
		{worker.LogOptions{Tail: 2, Stdout: true}, "out2\nno end"},
		{worker.LogOptions{Tail: 1, Stderr: true}, "err1\n"},
		{worker.LogOptions{Tail: 0}, ""},
		{worker.LogOptions{Tail: 100, Stdout: true}, "out1\nout2\nno end"},
		{worker.LogOptions{Tail: -1, Stdout: true, Follow: true}, "out1\nout2\nno end"},
		{worker.LogOptions{Tail: -1, Since: time.Now()}, ""},
		{worker.LogOptions{Tail: -1, Since: r.StartTime.Add(-time.Second), Stderr: true}, "err1\n"},
	} {
		if got := logs(t, rt, r.Key, test.opts); got != test.want {
			t.Errorf("%+v: got %q; want %q", test.opts, got, test.want)
		}
	}
	all := logs(t, rt, r.Key, allLogs)
	if len(all) != len("out1\nerr1\nout2\nno end") {
		t.Errorf("both: got %q", all)
	}
}

func TestSinceCutsAtTheTime(t *testing.T) {
	rt := newRuntime(t, Config{})
	path := fifo(t, rt.config.Dir)
	r := startCommand(t, rt, "sh", "-c", "echo early; read go < "+path+"; echo late")
	firstLines(t, rt, r.Key, 1)
	between := time.Now()
	if err := os.WriteFile(path, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	wait(t, rt, r.Key)
	if got := logs(t, rt, r.Key, worker.LogOptions{Tail: -1, Since: between}); got != "late\n" {
		t.Errorf("since then: %q", got)
	}
}

func TestOutputIsRotatedAndFollowedThroughIt(t *testing.T) {
	const size, files, lines = 4096, 3, 2000
	rt := newRuntime(t, Config{LogSize: size, LogFiles: files})
	path := fifo(t, rt.config.Dir)
	// A line waits for the reader every 20, so that none is rotated away
	// before it is read.
	r := startCommand(t, rt, "sh", "-c",
		fmt.Sprintf(`exec 3<%s; i=0; while [ $i -lt %d ]; do echo "line $i"; i=$((i+1)); [ $((i%%20)) -ne 0 ] || read go <&3; done`, path, lines))
	gate, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	l, err := rt.Logs(t.Context(), r.Key, worker.LogOptions{Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var got bytes.Buffer
	for passed, buf := 0, make([]byte, 1000); ; {
		n, err := l.Read(buf)
		got.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for ; passed < bytes.Count(got.Bytes(), []byte{'\n'})/20; passed++ {
			if _, err := gate.WriteString("go\n"); err != nil && passed < lines/20-1 {
				t.Fatal(err)
			}
		}
	}
	var want strings.Builder
	for i := range lines {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	if got.String() != want.String() {
		t.Errorf("followed %d bytes; want %d", got.Len(), want.Len())
	}
	kept, err := logNumbers(filepath.Join(rt.runs, r.Key.String()))
	if err != nil || len(kept) != files {
		t.Errorf("kept files %v, %v; want %d", kept, err, files)
	}
	for _, n := range kept {
		info, err := os.Stat(supervise.LogPath(filepath.Join(rt.runs, r.Key.String()), n))
		if err != nil || info.Size() > size {
			t.Errorf("file %d: %v, %v; want at most %d bytes", n, info.Size(), err, size)
		}
	}
	// The last 200 lines span files.
	tail := logs(t, rt, r.Key, worker.LogOptions{Tail: 200})
	if !strings.HasPrefix(tail, fmt.Sprintf("line %d\n", lines-200)) || strings.Count(tail, "\n") != 200 {
		t.Errorf("the last 200 lines are %d and begin %.20q", strings.Count(tail, "\n"), tail)
	}
}

func TestLongLinesComeBackWhole(t *testing.T) {
	rt := newRuntime(t, Config{})
	for _, n := range []int{supervise.MaxLine - 1, supervise.MaxLine, supervise.MaxLine + 1, 3*supervise.MaxLine + 7} {
		r := startCommand(t, rt, "sh", "-c", fmt.Sprintf(`head -c %d /dev/zero | tr '\0' x; echo; echo next`, n))
		wait(t, rt, r.Key)
		if got, want := logs(t, rt, r.Key, allLogs), strings.Repeat("x", n)+"\nnext\n"; got != want {
			t.Errorf("a line of %d came back as %d bytes", n, len(got))
		}
		if got := logs(t, rt, r.Key, worker.LogOptions{Tail: 2}); len(got) != n+len("\nnext\n") {
			t.Errorf("the last two lines have %d bytes", len(got))
		}
	}
}

func TestFollowingEndsWithItsReader(t *testing.T) {
	rt := newRuntime(t, Config{})
	r := startCommand(t, rt, "sleep", "1000")
	l, err := rt.Logs(t.Context(), r.Key, worker.LogOptions{Follow: true, Tail: -1})
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error)
	go func() { _, err := l.Read(make([]byte, 1)); read <- err }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err == nil {
		t.Error("a closed reader read on")
	}
	if len(rt.changes.followers) != 0 {
		t.Error("the directory is still watched")
	}
}

func FuzzLogs(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05.000000006Z stdout F text\n2026-01-02T03:04:05.000000006Z stderr P te"), 1)
	f.Add([]byte("stdout F\n\n x stdout P \n x stdout F end\n"), 0)
	f.Fuzz(func(t *testing.T, file []byte, tail int) {
		dir := t.TempDir()
		if err := os.WriteFile(supervise.LogPath(dir, 1), file, 0o600); err != nil {
			t.Fatal(err)
		}
		opts := worker.LogOptions{Tail: max(tail, 0)}
		at, err := tailPosition(dir, []int{1}, opts)
		if err != nil || at.offset < 0 || at.offset > int64(len(file)) {
			t.Fatalf("the tail begins at %+v, %v", at, err)
		}
		if n := len(lineStarts(file[at.offset:], opts)); n > opts.Tail {
			t.Errorf("the last %d lines are %d", opts.Tail, n)
		}
	})
}

// A file of output is there once there is output; who follows has not to wait for it.
func TestOutputIsFollowedFromBeforeItsFirstLine(t *testing.T) {
	rt := newRuntime(t, Config{})
	path := fifo(t, rt.config.Dir)
	r := startCommand(t, rt, "sh", "-c", "read go <"+path+"; echo first")
	all, err := rt.Logs(t.Context(), r.Key, worker.LogOptions{Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	next, err := rt.Logs(t.Context(), r.Key, worker.LogOptions{Tail: 0, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if numbers, err := logNumbers(filepath.Join(rt.runs, r.Key.String())); err != nil || len(numbers) > 0 {
		t.Errorf("before any output there are the files %v, %v", numbers, err)
	}
	if err := os.WriteFile(path, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]io.Reader{"all": all, "what is next": next} {
		if got, err := io.ReadAll(l); err != nil || string(got) != "first\n" {
			t.Errorf("who follows %s reads %q, %v", name, got, err)
		}
	}
}

// What a task writes comes back byte for byte, however it is cut.
func FuzzOutputComesBack(f *testing.F) {
	f.Add([]byte("a\nb"), 1)
	f.Add([]byte("\n\n\r\n\x00"), 3)
	f.Add(bytes.Repeat([]byte("long"), supervise.MaxLine), 100)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		dir := t.TempDir()
		w := supervise.NewLogWriter(dir, int64(uint16(size))+256, 1<<20)
		w.Copy("stdout", bytes.NewReader(text))
		if err := w.Wait(0); err != nil {
			t.Fatal(err)
		}
		l := &logReader{dir: dir, opts: allLogs, ctx: t.Context(), cancel: func() {}, end: func() {}}
		got, err := io.ReadAll(l)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("wrote %d bytes, read %d, %v", len(text), len(got), err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
