package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// unlimited is from where on a version 1 memory limit means none: the kernel
// writes the largest multiple of a page (4 KiB to 64 KiB) below 2^63.
const unlimited = 1<<63 - 1<<16

// Limits is what a group is bound to. [math.Inf] means no bound.
type Limits struct {
	CpuCores    float64
	MemoryBytes float64
}

// Limits returns the least limits over the group and its ancestors, as far up as
// this process can see: the CPU quota or, where that is less, the number of CPUs
// of the cpuset, and the memory limit.
func (g *Group) Limits() (Limits, error) {
	limits := Limits{CpuCores: math.Inf(1), MemoryBytes: math.Inf(1)}
	for _, bound := range []struct {
		controller string
		v1, v2     func(directory) (float64, error)
		least      *float64
	}{
		{"cpu", quotaV1, quotaV2, &limits.CpuCores},
		{"cpuset", cpusV1, cpusV2, &limits.CpuCores},
		{"memory", memoryV1, memoryV2, &limits.MemoryBytes},
	} {
		d, v1, err := g.hierarchy(bound.controller)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without the controller binds nothing
		}
		read := bound.v2
		if v1 {
			read = bound.v1
		}
		if err := least(d, read, bound.least); err != nil {
			return Limits{}, err
		}
	}
	return limits, nil
}

// least lowers to to the least of what read says of d and its ancestors. Where
// one has no such file (the top of version 2; a controller that is not enabled)
// it is not bound.
func least(d directory, read func(directory) (float64, error), to *float64) error {
	for {
		limit, err := read(d)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			*to = math.Min(*to, limit)
		}
		if d.rel == "/" {
			return nil
		}
		d.rel = path.Dir(d.rel)
	}
}

// quotaV1 reads cpu.cfs_quota_us over cpu.cfs_period_us; −1 is no quota.
func quotaV1(d directory) (float64, error) {
	quota, err := readField(d.file("cpu.cfs_quota_us"), 0)
	if err != nil {
		return 0, err
	}
	period, err := readField(d.file("cpu.cfs_period_us"), 0)
	if err != nil {
		return 0, err
	}
	return quotaCores(d, quota, period)
}

// quotaV2 reads cpu.max: "max 100000" or "QUOTA PERIOD".
func quotaV2(d directory) (float64, error) {
	quota, err := readField(d.file("cpu.max"), 0)
	if err != nil {
		return 0, err
	}
	period, err := readField(d.file("cpu.max"), 1)
	if err != nil {
		return 0, err
	}
	return quotaCores(d, quota, period)
}

func quotaCores(d directory, quota, period string) (float64, error) {
	if quota == "max" || quota == "-1" {
		return math.Inf(1), nil
	}
	q, err := strconv.ParseUint(quota, 10, 64)
	if err != nil || q == 0 { // of no time the kernel makes no quota
		return 0, fmt.Errorf("reading the CPU quota of cgroup %s: %q is no quota", d.rel, quota)
	}
	p, err := strconv.ParseUint(period, 10, 64)
	if err != nil || p == 0 {
		return 0, fmt.Errorf("reading the CPU period of cgroup %s: %q is no period", d.rel, period)
	}
	return float64(q) / float64(p), nil
}

// cpusV1 counts the CPUs of cpuset.effective_cpus.
func cpusV1(d directory) (float64, error) { return countCpus(d.file("cpuset.effective_cpus")) }

// cpusV2 counts the CPUs of cpuset.cpus.effective.
func cpusV2(d directory) (float64, error) { return countCpus(d.file("cpuset.cpus.effective")) }

// countCpus counts a list such as "0-3,8". An empty one binds nothing.
func countCpus(name string) (float64, error) {
	text, err := readFile(name)
	if err != nil {
		return 0, err
	}
	list := string(bytes.TrimSpace(text))
	if list == "" {
		return math.Inf(1), nil
	}
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 31)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", name, err)
		}
		b, err := strconv.ParseUint(to, 10, 31)
		if err != nil || b < a {
			return 0, fmt.Errorf("reading %s: %q is no range of CPUs", name, part)
		}
		n += int(b-a) + 1
	}
	return float64(n), nil
}

// memoryV1 reads memory.limit_in_bytes.
func memoryV1(d directory) (float64, error) {
	n, err := readNumber(d.file("memory.limit_in_bytes"))
	if n >= unlimited {
		return math.Inf(1), err
	}
	return float64(n), err
}

// memoryV2 reads memory.max.
func memoryV2(d directory) (float64, error) {
	text, err := readField(d.file("memory.max"), 0)
	if err != nil {
		return 0, err
	}
	if text == "max" {
		return math.Inf(1), nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the memory limit of cgroup %s: %w", d.rel, err)
	}
	return float64(n), nil
}

// readField reads the i-th word of a file of one line.
func readField(name string, i int) (string, error) {
	text, err := readFile(name)
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(text))
	if i >= len(words) {
		return "", fmt.Errorf("reading %s: %q has too few words", name, text)
	}
	return words[i], nil
}

// MemoryRoom returns how many more bytes the group may use: the least, over the
// group and its ancestors, of limit less usage with the inactive file pages given
// back. [math.Inf] means that none has a limit.
func (g *Group) MemoryRoom() (float64, error) {
	room := math.Inf(1)
	d, v1, err := g.hierarchy("memory")
	if err != nil {
		return 0, err
	}
	limitOf := memoryV2
	if v1 {
		limitOf = memoryV1
	}
	err = least(d, func(d directory) (float64, error) {
		limit, err := limitOf(d)
		if err != nil || math.IsInf(limit, 1) {
			return limit, err
		}
		m, err := readMemory(d, v1)
		return math.Max(0, limit-float64(m.UsageBytes)+float64(m.InactiveFileBytes)), err
	}, &room)
	return room, err
}
