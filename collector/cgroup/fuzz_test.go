package cgroup_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"cube/collector/cgroup"
)

// FuzzGroup spoils one file of a group, of each version: no panic, and no figure
// that is none.
func FuzzGroup(f *testing.F) {
	groups := []struct{ tree, path string }{{"v1", "/cube/task-a"}, {"v2", "/cube.slice/task-a"}, {"hybrid", "/cube/task-a"}}
	type spoiled struct {
		group *cgroup.Group
		file  string
		good  []byte
	}
	var files []spoiled
	for _, g := range groups {
		procPath, sysPath := tree(f, g.tree)
		r, err := cgroup.New(procPath, sysPath)
		if err != nil {
			f.Fatal(err)
		}
		group, err := r.At(g.path)
		if err != nil {
			f.Fatal(err)
		}
		err = filepath.WalkDir(sysPath, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Base(filepath.Dir(path)) != filepath.Base(g.path) {
				return err
			}
			good, err := os.ReadFile(path)
			files = append(files, spoiled{group, path, good})
			return err
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	for i, file := range files {
		f.Add(uint8(i), string(file.good))
	}
	for _, text := range []string{"", "\n", "max\n", "max 100000\n", "-1\n", "0-3,8-\n", "18446744073709551616\n", "usage_usec 1e9\n", "inactive_file 99999999999999\n"} {
		f.Add(uint8(len(text)), text)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		file := files[int(which)%len(files)]
		if err := os.WriteFile(file.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.WriteFile(file.file, file.good, 0o600); err != nil {
				t.Fatal(err)
			}
		}()
		check := func(what string, v float64, err error, least, most float64) {
			if err == nil && !(v >= least && v <= most) {
				t.Errorf("%s is %v with %q in %s", what, v, text, file.file)
			}
		}
		cpu, err := file.group.CpuSeconds()
		check("CPU", cpu, err, 0, math.MaxFloat64)
		memory, err := file.group.MemoryBytes()
		check("memory", memory, err, 0, math.MaxFloat64)
		limits, err := file.group.Limits()
		check("the limit of CPU", limits.CpuCores, err, math.SmallestNonzeroFloat64, math.Inf(1))
		check("the limit of memory", limits.MemoryBytes, err, 0, math.Inf(1))
		room, err := file.group.MemoryRoom()
		check("room", room, err, 0, math.Inf(1))
		meter, err := file.group.Meter()
		if err != nil {
			return
		}
		defer meter.Close()
		if got, err := meter.Read(); err == nil {
			check("the meter's CPU", got.CpuSeconds, nil, -1, math.MaxFloat64)
			check("the meter's memory", got.MemoryBytes, nil, -1, math.MaxFloat64)
		}
	})
}
