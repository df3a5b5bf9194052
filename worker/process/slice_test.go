package process

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"cube/worker/process/supervise"
	"cube/worker/task"
)

// A slice bounds memory, holds runs, and leaves nothing behind, also where an
// engine has made it in more hierarchies.
func TestSlice(t *testing.T) {
	needRoot(t)
	name := "cube-test-slice-" + strconv.Itoa(os.Getpid())
	var slices []*Slice
	for i := range 2 {
		s, err := NewSlice(filepath.Join(name, "worker-"+strconv.Itoa(i)), task.Resources{Cpu: 1, Memory: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		slices = append(slices, s)
	}
	found := func() []string {
		all, err := filepath.Glob(filepath.Join(supervise.Mountpoint, "*"))
		if err != nil {
			t.Fatal(err)
		}
		var there []string
		for _, root := range append(all, supervise.Mountpoint) {
			dir := filepath.Join(root, filepath.Dir(slices[0].Path()))
			if _, err := os.Stat(dir); err == nil {
				there = append(there, dir)
			}
		}
		return there
	}
	if len(found()) == 0 {
		t.Fatal("no cgroup was made")
	}
	rt := newRuntime(t, Config{CgroupParent: slices[0].Path()})
	if rt.CgroupParent() != slices[0].Path() {
		t.Errorf("the runs' parent is %s; want %s", rt.CgroupParent(), slices[0].Path())
	}
	r := startCommand(t, rt, testCommand(t, "take", "128")...)
	if exit := wait(t, rt, r.Key); !exit.OOMKilled {
		t.Errorf("128 MiB in a slice of 64 MiB ended with %s", code(exit))
	}
	for i := range slices {
		if err := slices[len(slices)-1-i].Remove(); err != nil {
			t.Error(err)
		}
	}
	if there := found(); len(there) > 0 {
		t.Errorf("still there: %v", there)
	}
	if err := slices[0].Remove(); err != nil {
		t.Errorf("once more: %v", err)
	}
}
