package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"cube/worker/task"
)

// sameTask holds a task that is read without reflection against encoding/json.
func sameTask(t *testing.T, text []byte) bool {
	t.Helper()
	return sameRead(t, text, readTask)
}

// sameRead holds what is read without reflection against encoding/json, which
// refuses what there is not; it reports whether it was read.
func sameRead[T any](t *testing.T, text []byte, read func([]byte, *T) bool) bool {
	t.Helper()
	var got, want T
	if !read(text, &got) {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&want); err != nil || decoder.More() {
		t.Fatalf("%q was read as %+v; encoding/json has %v", text, got, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q was read as\n%+v, and by encoding/json as\n%+v", text, got, want)
	}
	return true
}

func TestWhatIsReadIsWhatEncodingJSONReads(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const tries = 3000
	read := 0
	for range tries {
		var b bare
		draw(random, reflect.ValueOf(&b).Elem())
		text, err := b.AppendJSON(nil)
		if err != nil {
			continue
		}
		if sameTask(t, text) {
			read++
		}
		for range 10 { // and what is broken
			broken := bytes.Clone(text)
			broken[random.IntN(len(broken))] = ` "{}[],:.-0e\x7f`[random.IntN(13)]
			sameTask(t, broken)
		}
	}
	if read < tries/50 {
		t.Errorf("%d of %d tasks were read", read, tries)
	}
}

const plainTask = `{"ID":"f9de1b85-98ba-4bdf-aeb5-da4e0000c350","Name":"web","State":"completed","Command":["sleep","10"],"Env":["A=***"],` +
	`"Cpu":0.1,"Memory":67108864,"Disk":1048576,"Constraints":[],"RestartPolicy":"always","RestartCount":2,"ContainerID":"pid:4242","Allocation":18446744073709551615,` +
	`"StartTime":"2026-11-25T12:13:11.968123456Z","FinishTime":"2026-11-25T13:13:21.5+01:00","ExitCode":-1,"OOMKilled":true,"Error":"it ended"}`

func TestPlainTasksAreReadWithoutReflection(t *testing.T) {
	for _, text := range []string{
		plainTask, plainTask + "\n", `{"Command":["sleep","10"]}`, `{"Cpu":0}`, `{"Cpu":-0}`, `{"Cpu":4.50}`, `{"Name":""}`, `{"Memory":-1}`,
		`{"ExitCode":1,"ExitCode":2}`,
	} {
		if !sameTask(t, []byte(text)) {
			t.Errorf("%s was not read", text)
		}
	}
}

// What is left to encoding/json, which takes some of it and refuses the rest.
func TestTheReaderGivesUp(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `{}`, `{`, `{"`, `{"Cpu"`, `{"Cpu":`, `{"Cpu":1`, `{"Cpu":1,`, `{"Cpu":1,}`, `{"Cpu":1}}`, `{"Cpu":1} `, ` {"Cpu":1}`, `{"Cpu":1}` + "\n\n",
		`{"Cpu":01}`, `{"Cpu":+1}`, `{"Cpu":.5}`, `{"Cpu":5.}`, `{"Cpu":1e3}`, `{"Cpu":0x1}`, `{"Cpu":1_0}`, `{"Cpu":NaN}`, `{"Cpu":-}`, `{"Cpu":"1"}`, `{"Cpu":null}`,
		`{"Memory":1.0}`, `{"Memory":"1MiB"}`, `{"Memory":9223372036854775808}`, `{"Allocation":-1}`, `{"Allocation":18446744073709551616}`,
		`{"ID":"f9de1b8598ba4bdfaeb5da4e0000c350"}`, `{"ID":"f9de1b85-98ba-4bdf-aeb5-da4e0000c35x"}`, `{"ID":"{f9de1b85-98ba-4bdf-aeb5-da4e0000c350}"}`,
		`{"Name":"\u0041"}`, `{"Name":"é"}`, "{\"Name\":\"\t\"}", `{"name":"a"}`, `{"Name":"a`, `{"Node":"w1"}`,
		`{"State":"gone"}`, `{"State":2}`, `{"StartTime":""}`, `{"StartTime":"2026-11-25 12:13:11Z"}`,
		`{"OOMKilled":false}`, `{"OOMKilled":truex}`, `{"Command":[}`, `{"Command":["a",]}`, `{"Command":["a"}`, `{"Command":null}`, `{"PortBindings":{}}`,
	} {
		if sameTask(t, []byte(text)) {
			t.Errorf("%s was read", text)
		}
	}
}

const plainEvent = `{"ID":"f9de1b85-98ba-4bdf-aeb5-da4e0000c350","State":"running","Timestamp":"2026-11-25T12:13:11.968123456Z","Task":` + plainTask + `}`

func TestEventsAreRead(t *testing.T) {
	for text, plain := range map[string]bool{
		plainEvent: true, `{"Task":{"Cpu":1}}` + "\n": true, `{"State":"completed"}`: true,
		`{"Task":{}}`: false, `{"Task":{"Cpu":1}`: false, `{"Task":null}`: false, `{"TaskID":""}`: false, plainEvent + "x": false, `{"Task":`: false, `{}`: false,
		`{"Task":{"Cpu":1},"Task":{"Name":"a"}}`: false,
	} {
		if read := sameRead(t, []byte(text), readEvent); read != plain {
			t.Errorf("%s: read %v, want %v", text, read, plain)
		}
	}
	var event, want task.Event
	spaced := strings.ReplaceAll(plainEvent, ",", ", ")
	if err := json.Unmarshal([]byte(plainEvent), &want); err != nil {
		t.Fatal(err)
	}
	if err := Unmarshal([]byte(spaced), &event, false); err != nil || !reflect.DeepEqual(event, want) {
		t.Errorf("read as %+v, %v", event, err)
	}
}

func FuzzReadTask(f *testing.F) {
	f.Add([]byte(plainTask))
	f.Add([]byte(plainEvent))
	f.Fuzz(func(t *testing.T, text []byte) {
		sameTask(t, text)
		sameRead(t, text, readEvent)
	})
}

// An answer reads the same whichever way it is written.
func TestAnswersAreRead(t *testing.T) {
	spaced := strings.ReplaceAll(plainTask, ",", ", ")
	var want task.Task
	if err := json.Unmarshal([]byte(plainTask), &want); err != nil {
		t.Fatal(err)
	}
	for text, count := range map[string]int{
		"[]\n": 0, "[" + plainTask + "]\n": 1, "[" + plainTask + "," + plainTask + "]": 2, "[" + plainTask + "," + spaced + "]\n": 2, "[ " + plainTask + "]": 1,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
		caller, err := NewCaller("worker", server.URL, server.Client())
		if err != nil {
			t.Fatal(err)
		}
		tasks := []*task.Task{}
		if _, err := caller.Ask(t.Context(), Request{Method: http.MethodGet, Path: "/tasks"}, &tasks); err != nil || len(tasks) != count || tasks == nil {
			t.Errorf("%s is read as %v, %v", text, tasks, err)
		}
		for _, got := range tasks {
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("%s is read as %+v", text, got)
			}
		}
		server.Close()
	}
	for text, good := range map[string]bool{plainTask + "\n": true, spaced: true, plainTask[:50]: false, "": false} {
		var got task.Task
		if err := readAnswer(&http.Response{Body: io.NopCloser(strings.NewReader(text))}, &got); (err == nil) != good || (good && !reflect.DeepEqual(got, want)) {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
	}
}

func BenchmarkReadTask(b *testing.B) {
	b.Run("reader", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = readTask([]byte(plainTask), new(task.Task))
		}
	})
	b.Run("reflection", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = json.Unmarshal([]byte(plainTask), new(task.Task))
		}
	})
}
