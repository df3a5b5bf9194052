// Package collector measures a Linux machine at the moment it is asked: CPU,
// memory, disks, load and pressure, as a prometheus.Collector and as the [Stats]
// of the book, both from the same readings. Nothing is read on a timer and no
// page is cached.
//
// A file is named for the kernel's source it reads. github.com/prometheus/procfs
// reads what is not read at every scrape (the table of mounts where it changed,
// the whole of the [Stats]) and is the judge, in fuzz tests, of the narrow parsers
// that read the rest; each of these says in its comment why it is there. Every
// source reports whether it worked and how long it took; one that fails hides its
// own metrics and no one else's. A value that could not be read is absent, never
// zero.
//
// One table of families makes the page in both ways: Collect for a registry, and
// Gather for promhttp, which costs a fraction and is the same byte for byte. The
// way through the files: New in collector.go; sources.go runs the sources; cpu.go
// (with usage.go, the busy share over a window), memory.go, load.go, pressure.go
// and disk.go (with mounts.go and statfs.go) are the sources, read by
// kernelfile.go; scope.go narrows them to a cgroup, share.go to a part of the
// machine without one; families.go is the table of
// metrics, of which gather.go and collector/families make the page; stats.go is
// the book's Stats.
//
// Roots are injected (proc, sys, the root file system, and statfs itself), so
// that a worker in a container measures its host and tests run on recorded
// trees. Units are base units: seconds, bytes, ratios from 0 to 1.
//
// In this room belongs what measures the machine. Of Cube it imports only
// collector/cgroup, the one reader of cgroups, collector/families, the making of
// pages, and collector/rawread, the system calls that cannot be kept waiting.
package collector
