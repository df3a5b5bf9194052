package collector

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// The keys of the book's answer, all of them.
const bookKeys = `mem_total mem_free mem_available buffers cached swap_cached active inactive active_anon inactive_anon active_file
inactive_file unevictable mlocked swap_total swap_free dirty write_back anon_pages mapped shmem slab s_reclaimable s_unclaim kernel_stack
page_tables nfs_unstable bounce writeback_tmp commit_limit committed_as vmalloc_total vmalloc_used vmalloc_chunk hardware_corrupted
anon_huge_pages huge_pages_total huge_pages_free huge_pages_rsvd huge_pages_surp hugepagesize direct_map_4k direct_map_2M direct_map_1G`

func TestStatsHasEveryKeyOfTheBook(t *testing.T) {
	stats, err := newCollector(t, Config{}).Stats()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(stats)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for object, keys := range map[string]string{
		"MemStats": bookKeys, "DiskStats": "all used free freeInodes",
		"CpuStats":  "id user nice system idle iowait irq softirq steal guest guest_nice",
		"LoadStats": "last1min last5min last15min process_running process_total last_pid",
	} {
		members, _ := got[object].(map[string]any)
		for _, key := range strings.Fields(keys) {
			if _, there := members[key]; !there {
				t.Errorf("%s has no %s", object, key)
			}
		}
	}
	if _, there := got["TaskCount"]; !there {
		t.Error("there is no TaskCount")
	}
}

func TestStatsFigures(t *testing.T) {
	stats, err := newCollector(t, Config{}).Stats()
	if err != nil {
		t.Fatal(err)
	}
	if got := stats.CpuStats; got != (CpuStats{"cpu", 1000, 200, 300, 8000, 400, 10, 20, 30, 50, 5}) {
		t.Errorf("CpuStats: %+v; want the ticks of /proc/stat", got)
	}
	if got := stats.LoadStats; got != (LoadStats{0.20, 0.18, 0.12, 3, 80, 11206}) {
		t.Errorf("LoadStats: %+v", got)
	}
	if got := stats.DiskStats; got != (DiskStats{All: 4096000, Used: 2457600, Free: 1638400, FreeInodes: 60}) {
		t.Errorf("DiskStats: %+v", got)
	}
	for name, got := range map[string][2]uint64{
		"MemTotalKb": {stats.MemTotalKb(), 8000000}, "MemAvailableKb": {stats.MemAvailableKb(), 6000000}, "MemUsedKb": {stats.MemUsedKb(), 2000000},
		"DiskTotal": {stats.DiskTotal(), 4096000}, "DiskFree": {stats.DiskFree(), 1638400}, "DiskUsed": {stats.DiskUsed(), 2457600},
		"huge pages": {*stats.MemStats.HugePagesTotal, 4}, "hugepagesize": {*stats.MemStats.Hugepagesize, 2048},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: got %d, want %d", name, got[0], got[1])
		}
	}
	if _, err := stats.CpuUsage(); !errors.Is(err, ErrUnknown) {
		t.Errorf("CpuUsage before there is a window: %v; want ErrUnknown", err)
	}
}

// The book's percentage was available/total in integers: 0, and a panic where
// the total was 0.
func TestMemoryPercentIsUsedOverTotal(t *testing.T) {
	total, available := uint64(8000000), uint64(6000000)
	stats := Stats{MemStats: MemStats{MemTotal: &total, MemAvailable: &available}}
	if got, err := stats.MemUsedPercent(); err != nil || got != 25 {
		t.Errorf("got %v, %v; want 25", got, err)
	}
	for name, stats := range map[string]Stats{"nothing read": {}, "no MemAvailable": {MemStats: MemStats{MemTotal: &total}}} {
		if got, err := stats.MemUsedPercent(); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: got %v, %v; want ErrUnknown", name, got, err)
		}
	}
}

// /stats answered null before the first collection, and zeros after a failed
// one.
func TestStatsFailsAsAWhole(t *testing.T) {
	for _, file := range []string{"stat", "meminfo", "loadavg"} {
		dir := copyMachine(t)
		writeFile(t, dir, file, "")
		if stats, err := newCollector(t, Config{ProcPath: dir}).Stats(); err == nil {
			t.Errorf("with an empty %s: %+v", file, stats)
		}
	}
}

func TestGetStats(t *testing.T) {
	stats, err := GetStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	usage, err := stats.CpuUsage()
	if err != nil || usage < 0 || usage > 1 || stats.MemTotalKb() == 0 || stats.DiskTotal() == 0 {
		t.Errorf("this machine: usage %v, %v; %+v", usage, err, stats)
	}
}
