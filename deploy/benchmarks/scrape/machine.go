package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeLargeMachine writes the /proc of a machine of 256 CPUs with 2,000
// interrupts; what does not grow with either is this machine's.
func writeLargeMachine(dir string) error {
	var stat strings.Builder
	stat.WriteString("cpu  2854139042 91824 913042217 51203948812 1928374 0 8172635 0 0 0\n")
	for cpu := range 256 {
		fmt.Fprintf(&stat, "cpu%d %d 358 3566571 200015425 7532 0 31924 0 0 0\n", cpu, 11148980+cpu)
	}
	stat.WriteString("intr 91827364554")
	for i := range 2000 {
		fmt.Fprintf(&stat, " %d", i%7*i*1013)
	}
	stat.WriteString("\nctxt 182736455401\nbtime 1700000000\nprocesses 91827364\nprocs_running 12\nprocs_blocked 0\n" +
		"softirq 8172635419 1 910283746 5 182736455 2 3 18273 5102938475 0 2071625354\n")
	files := map[string]string{"stat": stat.String()}
	for _, name := range []string{"meminfo", "loadavg", "1/mountinfo", "self/mountinfo", "pressure/cpu", "pressure/io", "pressure/memory"} {
		text, err := os.ReadFile(filepath.Join("/proc", name))
		if err != nil {
			return err
		}
		files[name] = string(text)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
