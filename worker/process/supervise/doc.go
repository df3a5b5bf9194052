// Package supervise is the supervisor of a run of worker/process: what stands
// between the worker and a task, and outlives the worker.
//
// A program that is started under the name "cube-supervisor", with nothing else
// on its command line, becomes one before its main function is called, and before
// most of the packages that are linked into it are initialised. That is most of
// what the start of a program such as cube takes: Go initialises the packages in
// the order of their import paths, each after what it imports, so one that imports
// little comes early. It is why this package imports no more of the standard library
// than os, os/signal and what these import, and does by itself what others leave to
// strings, fmt, encoding/json and golang.org/x/sys/unix. The linter has the list; a
// test of cmd/cube counts what comes before it.
//
// What the worker and the supervisor both know is here, too: the order, the
// records, the identity of a process, a run's cgroup.
package supervise
