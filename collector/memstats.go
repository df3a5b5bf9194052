package collector

import (
	"time"

	"github.com/prometheus/procfs"
)

// MemStats is /proc/meminfo in the book's keys: kB (1,024 bytes), huge pages as
// counts. A line that the kernel does not have is null.
type MemStats struct {
	MemTotal          *uint64 `json:"mem_total"`
	MemFree           *uint64 `json:"mem_free"`
	MemAvailable      *uint64 `json:"mem_available"`
	Buffers           *uint64 `json:"buffers"`
	Cached            *uint64 `json:"cached"`
	SwapCached        *uint64 `json:"swap_cached"`
	Active            *uint64 `json:"active"`
	Inactive          *uint64 `json:"inactive"`
	ActiveAnon        *uint64 `json:"active_anon"`
	InactiveAnon      *uint64 `json:"inactive_anon"`
	ActiveFile        *uint64 `json:"active_file"`
	InactiveFile      *uint64 `json:"inactive_file"`
	Unevictable       *uint64 `json:"unevictable"`
	Mlocked           *uint64 `json:"mlocked"`
	SwapTotal         *uint64 `json:"swap_total"`
	SwapFree          *uint64 `json:"swap_free"`
	Dirty             *uint64 `json:"dirty"`
	Writeback         *uint64 `json:"write_back"`
	AnonPages         *uint64 `json:"anon_pages"`
	Mapped            *uint64 `json:"mapped"`
	Shmem             *uint64 `json:"shmem"`
	Slab              *uint64 `json:"slab"`
	SReclaimable      *uint64 `json:"s_reclaimable"`
	SUnreclaim        *uint64 `json:"s_unclaim"`
	KernelStack       *uint64 `json:"kernel_stack"`
	PageTables        *uint64 `json:"page_tables"`
	NFSUnstable       *uint64 `json:"nfs_unstable"`
	Bounce            *uint64 `json:"bounce"`
	WritebackTmp      *uint64 `json:"writeback_tmp"`
	CommitLimit       *uint64 `json:"commit_limit"`
	CommittedAS       *uint64 `json:"committed_as"`
	VmallocTotal      *uint64 `json:"vmalloc_total"`
	VmallocUsed       *uint64 `json:"vmalloc_used"`
	VmallocChunk      *uint64 `json:"vmalloc_chunk"`
	HardwareCorrupted *uint64 `json:"hardware_corrupted"`
	AnonHugePages     *uint64 `json:"anon_huge_pages"`
	HugePagesTotal    *uint64 `json:"huge_pages_total"`
	HugePagesFree     *uint64 `json:"huge_pages_free"`
	HugePagesRsvd     *uint64 `json:"huge_pages_rsvd"`
	HugePagesSurp     *uint64 `json:"huge_pages_surp"`
	Hugepagesize      *uint64 `json:"hugepagesize"`
	DirectMap4k       *uint64 `json:"direct_map_4k"`
	DirectMap2M       *uint64 `json:"direct_map_2M"`
	DirectMap1G       *uint64 `json:"direct_map_1G"`
}

// memStats reads the whole of /proc/meminfo by procfs, with total and available
// as the page has them: narrowed by the scope.
func (c *Collector) memStats(now time.Time) (MemStats, error) {
	narrowed, err := c.readMemory(now)
	if err != nil {
		return MemStats{}, err
	}
	info, err := c.proc.Meminfo()
	if err != nil {
		return MemStats{}, err
	}
	stats := newMemStats(info)
	total, available := narrowed.total/1024, narrowed.available/1024
	stats.MemTotal, stats.MemAvailable = &total, nil
	if narrowed.availableKnown {
		stats.MemAvailable = &available
	}
	return stats, nil
}

func newMemStats(m procfs.Meminfo) MemStats {
	return MemStats{
		MemTotal: m.MemTotal, MemFree: m.MemFree, MemAvailable: m.MemAvailable, Buffers: m.Buffers, Cached: m.Cached,
		SwapCached: m.SwapCached, Active: m.Active, Inactive: m.Inactive, ActiveAnon: m.ActiveAnon,
		InactiveAnon: m.InactiveAnon, ActiveFile: m.ActiveFile, InactiveFile: m.InactiveFile, Unevictable: m.Unevictable,
		Mlocked: m.Mlocked, SwapTotal: m.SwapTotal, SwapFree: m.SwapFree, Dirty: m.Dirty, Writeback: m.Writeback,
		AnonPages: m.AnonPages, Mapped: m.Mapped, Shmem: m.Shmem, Slab: m.Slab, SReclaimable: m.SReclaimable,
		SUnreclaim: m.SUnreclaim, KernelStack: m.KernelStack, PageTables: m.PageTables, NFSUnstable: m.NFSUnstable,
		Bounce: m.Bounce, WritebackTmp: m.WritebackTmp, CommitLimit: m.CommitLimit, CommittedAS: m.CommittedAS,
		VmallocTotal: m.VmallocTotal, VmallocUsed: m.VmallocUsed, VmallocChunk: m.VmallocChunk,
		HardwareCorrupted: m.HardwareCorrupted, AnonHugePages: m.AnonHugePages, HugePagesTotal: m.HugePagesTotal,
		HugePagesFree: m.HugePagesFree, HugePagesRsvd: m.HugePagesRsvd, HugePagesSurp: m.HugePagesSurp,
		Hugepagesize: m.Hugepagesize, DirectMap4k: m.DirectMap4k, DirectMap2M: m.DirectMap2M, DirectMap1G: m.DirectMap1G,
	}
}
