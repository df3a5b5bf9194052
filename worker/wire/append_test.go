package wire

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"cube/worker/task"
)

// appends is what writes itself.
type appends interface {
	AppendJSON(text []byte) ([]byte, error)
}

// same holds what v writes against what encoding/json does.
func same(t *testing.T, v appends) {
	t.Helper()
	want, wantErr := json.Marshal(v)
	got, err := v.AppendJSON([]byte("before"))
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("the error is %v; encoding/json has %v", err, wantErr)
	}
	if got, whole := bytes.CutPrefix(got, []byte("before")); err == nil && (!whole || !bytes.Equal(got, want)) {
		t.Fatalf("written as\n%s, and by encoding/json as\n%s", got, want)
	}
}

// event is one that writes itself.
type event task.Event

func (e *event) AppendJSON(text []byte) ([]byte, error) {
	return AppendEvent(text, (*task.Event)(e))
}

// bare is a task that writes itself.
type bare task.Task

func (b *bare) AppendJSON(text []byte) ([]byte, error) { return AppendTask(text, (*task.Task)(b)) }

var (
	stateType    = reflect.TypeFor[task.State]()
	timeType     = reflect.TypeFor[time.Time]()
	idType       = reflect.TypeFor[uuid.UUID]()
	awkwardTexts = []string{"", "a", "web-1", `"quoted"\`, "<b>&amp;</b>", "tab\tand\nline\x00", "déjà vu", "\u2028", "broken \xff utf8", "\x7f"}
)

// draw sets v to something, with every field that there is, also one that was
// added after this was written.
func draw(random *rand.Rand, v reflect.Value) {
	switch v.Type() {
	case stateType:
		v.SetUint(uint64(random.IntN(len(task.States))))
		return
	case timeType:
		if random.IntN(3) > 0 {
			v.Set(reflect.ValueOf(time.Unix(random.Int64N(1<<33), random.Int64N(1e9)).In(time.FixedZone("", random.IntN(86400)/60*60-43200))))
		}
		return
	case idType:
		v.Set(reflect.ValueOf(uuid.New()))
		return
	}
	if random.IntN(4) == 0 {
		return // as it is: empty
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			draw(random, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		draw(random, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(3), 4))
		for i := range v.Len() {
			draw(random, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range random.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			draw(random, key)
			draw(random, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(awkwardTexts[random.IntN(len(awkwardTexts))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat([]float64{random.NormFloat64(), 1e-9 * random.Float64(), 1e21 * random.Float64(), 1e300 * random.Float64(), 4, 1e-6, 1e21, 1e-10}[random.IntN(8)])
	case reflect.Int, reflect.Int64:
		v.SetInt(random.Int64() >> random.IntN(64))
	case reflect.Uint64:
		v.SetUint(random.Uint64() >> random.IntN(64))
	}
}

func TestAppendedJSONIsThatOfEncodingJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var p PlacedTask
		draw(random, reflect.ValueOf(&p).Elem())
		same(t, &p)
		var n Node
		draw(random, reflect.ValueOf(&n).Elem())
		same(t, &n)
		var e event
		draw(random, reflect.ValueOf(&e).Elem())
		same(t, &e)
		var b bare
		draw(random, reflect.ValueOf(&b).Elem())
		same(t, &b)
	}
}

// What encoding/json cannot write is an error here, too.
func TestAppendedJSONRefuses(t *testing.T) {
	zero := 0.0
	nan, inf := zero/zero, 1/zero
	same(t, &PlacedTask{Task: task.Task{State: 99}})
	same(t, &PlacedTask{Task: task.Task{Cpu: inf}})
	same(t, &PlacedTask{SubmitTime: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)})
	same(t, &Node{Load1: &nan})
	same(t, &event{State: 99})
	same(t, &event{Timestamp: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)})
	same(t, &event{Task: task.Task{Cpu: nan}})
}

func FuzzAppendJSON(f *testing.F) {
	for _, text := range awkwardTexts {
		f.Add(text, 0.5, int64(1), int64(0))
	}
	f.Fuzz(func(t *testing.T, text string, number float64, whole, at int64) {
		code := int(whole)
		same(t, &PlacedTask{
			Task: task.Task{
				Name: text, State: task.State(uint8(at) % 8), Command: []string{text, ""}, Env: []string{text},
				Cpu: number, Memory: task.Bytes(whole), StopTimeout: task.Duration(whole), ExitCode: &code, RestartCount: code,
				PortBindings: map[string]string{text: text, "a": text}, StartTime: time.Unix(at, whole), Error: text,
			},
			Node: text, PendingReason: text, SubmitTime: time.Unix(whole, at).UTC(),
		})
		same(t, &Node{Name: text, Labels: map[string]string{text: text}, ReadingAge: &number, Promised: task.Resources{Cpu: number}})
		if !utf8.ValidString(text) {
			same(t, &Node{State: NodeState(text)})
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	p := &PlacedTask{
		Task: task.Task{ID: uuid.New(), Name: "web-1", State: task.Running, Command: []string{"sleep", "infinity"}, Cpu: 0.1, Memory: 64 << 20,
			ContainerID: "pid:4711", Allocation: 1, StartTime: time.Now()},
		Node: "w00042", SubmitTime: time.Now(),
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var text []byte
		for b.Loop() {
			text, _ = p.AppendJSON(text[:0])
		}
	})
	b.Run("reflection", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(p)
		}
	})
}
