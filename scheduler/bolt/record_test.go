package bolt

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/scheduler/manager"
	"cube/worker/task"
)

// What is written by hand is what encoding/json writes, field for field, so that
// it reads it.
func TestRecordIsWrittenAsEncodingJSONDoes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	whole := manager.Record{
		Task: task.Task{ID: uuid.New(), Name: "web", Env: []string{"A=<b>"}}, Seq: 7, Node: "node-\"1\"", StopRequested: true, Moving: true,
		SubmitTime: at, PlaceTime: at.UTC(), EndTime: at.Add(time.Hour),
	}
	fields := reflect.ValueOf(&whole).Elem()
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Fatalf("this test does not set %s", fields.Type().Field(i).Name)
		}
	}
	records := []manager.Record{whole, {}}
	for i := range fields.NumField() {
		without := whole
		reflect.ValueOf(&without).Elem().Field(i).SetZero()
		records = append(records, without)
	}
	for _, record := range records {
		want, err := json.Marshal(&record)
		if err != nil {
			t.Fatal(err)
		}
		got, err := appendRecord(nil, &record)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("written as\n%s (%v), and by encoding/json as\n%s", got, err, want)
		}
		checkRead(t, got)
		for i := range got { // and what is broken, or in another form
			checkRead(t, got[:i])
			for _, c := range []byte(`" \,}0`) {
				checkRead(t, append(append(bytes.Clone(got[:i]), c), got[i+1:]...))
				checkRead(t, append(append(bytes.Clone(got[:i]), c), got[i:]...))
			}
		}
	}
	for name, bad := range map[string]manager.Record{
		"a state": {Task: task.Task{State: 99}}, "a time": {SubmitTime: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if text, err := appendRecord(nil, &bad); err == nil {
			t.Errorf("%s that cannot be is written as %s", name, text)
		}
	}
}

// checkRead holds a record as it is read against encoding/json.
func checkRead(t *testing.T, text []byte) {
	t.Helper()
	var got, want manager.Record
	err, wantErr := readRecord(text, &got), json.Unmarshal(text, &want)
	if (err != nil) != (wantErr != nil) || (err == nil && !reflect.DeepEqual(got, want)) {
		t.Errorf("%s\nis read as\n%+v (%v), and by encoding/json as\n%+v (%v)", text, got, err, want, wantErr)
	}
}

// A usual record is read without reflection.
func TestUsualRecordsAreCut(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, record := range []manager.Record{
		{Task: task.Task{ID: uuid.New(), Name: "web"}, Seq: 7, SubmitTime: at},
		{Task: task.Task{ID: uuid.New(), State: task.Running, Allocation: 1}, Seq: 8, Node: "n", StopRequested: true, Moving: true, SubmitTime: at, PlaceTime: at, EndTime: at},
	} {
		text, err := appendRecord(nil, &record)
		if err != nil {
			t.Fatal(err)
		}
		if !cutRecord(text, new(manager.Record)) {
			t.Errorf("%s was not cut", text)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	r := &manager.Record{
		Task: task.Task{ID: uuid.New(), Name: "web", State: task.Running, Command: []string{"sleep", "10"}, Cpu: 0.1, Memory: 64 << 20,
			ContainerID: "pid:4711", Allocation: 1, StartTime: time.Now()},
		Seq: 7, Node: "w00042", SubmitTime: time.Now(), PlaceTime: time.Now(),
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var text []byte
		for b.Loop() {
			text, _ = appendRecord(text[:0], r)
		}
	})
	b.Run("reflection", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(r)
		}
	})
}
