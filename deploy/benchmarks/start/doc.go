// Command start compares what it costs to start tasks and to have them: by the
// real cube worker over HTTP, and bare, in the same run: by fork and exec; or by the
// Docker Engine's API, which is what the worker asks too, and by docker run.
//
//	go run ./deploy/benchmarks/start
//	go run ./deploy/benchmarks/start --runtime=docker --sizes=1,10,100
//
// The latency of one start is taken in turns, a start by the worker and a bare
// one after it, so that other load moves both alike: compare medians. It is from
// the request until the worker says that the task runs, two HTTP requests and two
// writes to disk included; a bare start is over when exec has succeeded, when the
// engine has answered the second of two requests, or when docker run --detach has
// returned.
//
// Then as many tasks as a size says are started at once, and all have come to run
// when the time is taken. Memory is what the machine has less of in the end, by
// MemAvailable, for a task; the tasks themselves are the same either way. They
// have a memory limit and no CPU limit: within a hundredth of a core, say, exec
// alone takes some periods of 100 ms.
//
// It starts programs, so it needs Linux, the right to make cgroups and, for
// Docker, an engine, into which it imports an image of its own.
package main
