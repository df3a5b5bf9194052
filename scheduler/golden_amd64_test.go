package scheduler_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// testdata/stored.txt has decisions in stored form, made before outcomes were
// kept apart from their decisions: policy, number and record a line. They are
// made, read and recomputed to the same bytes today. Other machines' exponentials
// may differ in the last bit.
func TestDecisionsAreStoredAsEver(t *testing.T) {
	file, err := os.Open("testdata/stored.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	made := map[string][]scheduler.Outcome{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		spec, rest, _ := strings.Cut(lines.Text(), " ")
		var stored []byte
		var number int
		if _, err := fmt.Sscanf(rest, "%d %x", &number, &stored); err != nil {
			t.Fatal(err)
		}
		if made[spec] == nil {
			made[spec] = decisions(t, spec, 3)
		}
		checkStored(t, spec, stored, &made[spec][number])
	}
	if lines.Err() != nil || len(made) != 4 {
		t.Errorf("read decisions of %d policies (%v), want of 4", len(made), lines.Err())
	}
}

func checkStored(t *testing.T, spec string, stored []byte, made *scheduler.Outcome) {
	t.Helper()
	if got, err := made.MarshalBinary(); err != nil || !bytes.Equal(got, stored) {
		t.Fatalf("%s: stored today as %s (%v), want %s", spec, hex.EncodeToString(got), err, hex.EncodeToString(stored))
	}
	var read scheduler.Decision
	if err := read.UnmarshalBinary(stored); err != nil {
		t.Fatal(err)
	}
	was, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	if is, err := json.Marshal(made.Decision()); err != nil || !bytes.Equal(is, was) {
		t.Errorf("%s: shown today as %s (%v), want %s", spec, is, err, was)
	}
	chosen, err := policy.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := scheduler.Recompute(chosen, read); err != nil || !reflect.DeepEqual(again, read.Candidates) {
		t.Errorf("%s: recomputed %+v (%v), want %+v", spec, again, err, read.Candidates)
	}
}
