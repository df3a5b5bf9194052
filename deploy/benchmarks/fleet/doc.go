// Command fleet measures what one manager holds: a real cube manager, its store
// on a real disk with fsync, before a fleet of simulated workers that speak the
// worker's API.
//
//	go run ./deploy/benchmarks/fleet rate --workers=1000 --duration=60s            # as many tasks a second as it takes
//	go run ./deploy/benchmarks/fleet rate --workers=1000 --duration=60s --rate=500 # how soon a task is with its worker
//	go run ./deploy/benchmarks/fleet rate --workers=1000 --duration=60s --batch=1000 --window=12288 # submitted in lists
//	go run ./deploy/benchmarks/fleet hold --workers=10000 --tasks=100000           # what a large fleet costs at rest, and when it breaks
//
// The manager is a process of its own, started from the cube program of this
// module. The workers are in this program, all behind one port, each at a
// loopback address of its own: their pages of metrics are a recorded worker's
// with the figures of what they hold, their lists have generations and can be
// waited on, allocations are fenced, requests beyond what is allocatable are
// refused. They start nothing: a task "sleep 10" runs when it has been started
// for --start-delay, and ends by itself after 10 s. Tasks are submitted one by
// one, each by a POST that is answered when the task is on disk, or with --batch
// so many with a POST, which is answered when all of them are.
//
// Everything runs on one machine, so that the manager has what the workers and
// the clients leave of it: the table says what either took.
//
// It imports the vocabulary and the shapes on the wire, and nothing that serves
// or places.
package main
