package scheduler

import (
	"reflect"
	"testing"
)

// A record of version 1 is read as one without MemorySquares.
func TestDecisionsOfTheFirstVersionAreRead(t *testing.T) {
	made := Decision{Node: "n", Candidates: []Candidate{{Node: "n", Inputs: Inputs{MemoryLimit: 7, MemorySquares: 5, DiskLimit: 9, Tasks: 3}}}}
	e := coder{data: []byte{1}, version: 1}
	if e.decision(&made); e.err != nil {
		t.Fatal(e.err)
	}
	var back Decision
	if err := back.UnmarshalBinary(e.data); err != nil {
		t.Fatal(err)
	}
	made.Candidates[0].Inputs.MemorySquares = 0
	if !reflect.DeepEqual(back, made) {
		t.Errorf("read %+v, want %+v", back, made)
	}
	if err := back.UnmarshalBinary(append([]byte{encodingVersion + 1}, e.data[1:]...)); err == nil {
		t.Error("a version that is still to come was read")
	}
}
