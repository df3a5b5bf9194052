// Package supervise is the supervisor of a run of worker/process: what stands
// between the worker and a task, and outlives the worker.
//
// A program that is started under the name "cube-supervisor", with nothing else
// on its command line, becomes one before its main function is called, and before
// most of the packages that are linked into it are initialised. That is most of
// what the start of a program such as cube takes: Go initialises the packages in
// the order of their import paths, each after what it imports, so one that imports
// little comes early. It is why this package imports no more than some of the
// standard library and golang.org/x/sys/unix, and above all neither os/exec nor
// path/filepath nor regexp. A test of cmd/cube counts what comes before it.
//
// What the worker and the supervisor both know is here, too: the order, the
// records, the identity of a process, a run's cgroup.
package supervise
