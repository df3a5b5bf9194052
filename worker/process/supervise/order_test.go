package supervise

import (
	"bytes"
	"reflect"
	"syscall"
	"testing"
)

func TestOrderIsReadAsItIsWritten(t *testing.T) {
	for name, want := range map[string]Order{
		"least": {Command: []string{"true"}, Env: []string{}},
		"all": {
			Key: "k-1-2", Command: []string{"sh", "-c", "echo \x00\xff ünïcode\n"}, Env: []string{"A=b", "", "C==d\n"}, WorkingDir: "/tmp",
			Credential: &syscall.Credential{Uid: 1<<32 - 1, Gid: 7, Groups: []uint32{1, 2}, NoSetGroups: true},
			Limits:     []Limit{{Resource: 4, Soft: 0, Hard: 1<<64 - 1}, {Resource: 7, Soft: 9, Hard: 10}},
			Cgroup:     &Group{Version: 1, Mount: "/m", Paths: map[string]string{"cpu": "/a", "memory": "/b"}},
			LogSize:    1<<63 - 1, LogFiles: 5,
		},
	} {
		encoded := want.Encode()
		body := encoded[numberLen:]
		if length := getNumber(encoded); length != uint64(len(body)) {
			t.Errorf("%s: %d bytes are announced, %d follow", name, length, len(body))
		}
		got, err := decodeOrder(body)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: read %+v, %v; want %+v", name, got, err, want)
		}
		// Whatever is missing or left over, it is no order.
		for n := range body {
			if got, err := decodeOrder(body[:n]); err == nil {
				t.Fatalf("%s: the first %d of %d bytes were read as %+v", name, n, len(body), got)
			}
		}
		if got, err := decodeOrder(append(body, 0)); err == nil {
			t.Errorf("%s: with a byte more it was read as %+v", name, got)
		}
	}
}

func FuzzOrder(f *testing.F) {
	o := Order{Command: []string{"true"}, Cgroup: &Group{Version: 2, Mount: "/m", Paths: map[string]string{"": "/a"}}, Credential: &syscall.Credential{Groups: []uint32{1}}}
	f.Add(o.Encode()[numberLen:])
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeOrder(body)
		if err != nil {
			return
		}
		again, err := decodeOrder(got.Encode()[numberLen:])
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%+v was read, and when written again %+v, %v", got, again, err)
		}
	})
}
