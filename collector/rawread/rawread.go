// Package rawread has the system calls of a scrape that cannot be kept waiting:
// what the kernel answers out of its own memory. They are made without telling
// Go's scheduler, which costs half as much again as the least of them, and wakes
// the runtime's monitor thread where the program was idle: that then looks every
// 20 µs whether anybody hangs, for a tenth of a scrape's CPU.
//
// A call here that waits holds up the whole program. In this room belong calls
// for procfs, cgroups, and file systems whose statfs adds up counters; what a
// device, another machine or another process answers does not.
package rawread
