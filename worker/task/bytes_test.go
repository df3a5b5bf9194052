package task

import (
	"encoding/json"
	"testing"
	"time"
)

func TestBytesJSON(t *testing.T) {
	for in, want := range map[string]Bytes{
		`0`: 0, `67108864`: 64 << 20, `1e9`: 1e9, `"512MiB"`: 512 << 20, `"512m"`: 512 << 20, `"1.5GiB"`: 3 << 29, `"42"`: 42,
		`9223372036854775807`: 1<<63 - 1, `-1`: -1, // refused by Validate, which names the field
	} {
		var got Bytes
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{`"lots"`, `""`, `"-1"`, `"-5MiB"`, `1.5`, `true`, `9223372036854775808`, `"99999999999999PiB"`, `1e300`} {
		var got Bytes
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s was read as %d; want an error", in, got)
		}
	}
	if text, err := json.Marshal(Bytes(64 << 20)); err != nil || string(text) != "67108864" {
		t.Errorf("written as %s, %v; want a number", text, err)
	}
}

func TestDurationJSON(t *testing.T) {
	for in, want := range map[string]time.Duration{
		`0`: 0, `10`: 10 * time.Second, `0.25`: 250 * time.Millisecond, `"1m30s"`: 90 * time.Second,
	} {
		var got Duration
		if err := json.Unmarshal([]byte(in), &got); err != nil || time.Duration(got) != want {
			t.Errorf("%s: got %v, %v; want %v", in, got, err, want)
		}
		text, err := json.Marshal(got)
		var back Duration
		if err != nil || json.Unmarshal(text, &back) != nil || back != got {
			t.Errorf("%s: written as %s, read back as %v", in, text, back)
		}
	}
	for _, in := range []string{`"soon"`, `"10"`, `1e300`, `true`, `-1e300`} {
		var got Duration
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s was read as %v; want an error", in, got)
		}
	}
}

func FuzzTaskJSON(f *testing.F) {
	f.Add(bookEvent)
	f.Add(`{"State":99}`)
	f.Add(`{"Task":{"Memory":"512MiB","StopTimeout":"10s","HealthCheck":""}}`)
	f.Add(`{"Task":{"Memory":9.3e18,"HealthCheck":{"Port":"x"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var event Event
		if json.Unmarshal([]byte(text), &event) != nil || event.Task.Validate() != nil {
			return
		}
		// What was accepted can be written, and reads back as valid.
		written, err := json.Marshal(event)
		if err != nil {
			t.Fatalf("%q was accepted but cannot be written: %v", text, err)
		}
		var again Event
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s was written but cannot be read: %v", written, err)
		}
		if err := again.Task.Validate(); err != nil {
			t.Fatalf("%s was valid before it was written: %v", written, err)
		}
	})
}
