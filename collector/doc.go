// Package collector measures a Linux machine at the moment it is asked: CPU,
// memory, disks, load and pressure, as a prometheus.Collector and as the [Stats]
// of the book, both from the same readings. Nothing is read on a timer and no
// page is cached.
//
// A file is named for the kernel's source it reads. Sources are read through
// github.com/prometheus/procfs; where that lacks a value, a small parser of ours
// says why. Every source reports whether it worked and how long it took; one
// that fails hides its own metrics and no one else's. A value that could not be
// read is absent, never zero.
//
// Roots are injected (proc, sys, the root file system, and statfs itself), so
// that a worker in a container measures its host and tests run on recorded
// trees. Units are base units: seconds, bytes, ratios from 0 to 1.
//
// In this room belongs what measures the machine. Of Cube it imports only
// collector/cgroup, the one reader of cgroups.
package collector
