// Package worker is the heart of a worker: it takes tasks, admits those there is
// room for, starts them at once, watches and restarts them, stops them when
// asked, and never loses one.
//
// What it needs of the outside it declares as small interfaces: a [Runtime] runs
// tasks (worker/docker, worker/process), a [Store] keeps the state through a
// crash (worker/bolt), a function tells the machine's capacity.
//
// # How it works
//
// What the worker knows of a task is one [Record]. A record is written to the
// store before it is acted on and before anybody is shown it: an event that was
// answered is on disk, a run that was started is the one on disk, and whoever
// lists tasks sees nothing that a crash could take back.
//
// Each task has a turn, which is held by whoever changes its record, through the
// write to disk. What was written is then shown under the worker's one lock,
// which is never held during I/O. Every live task has one goroutine that brings
// it on from state to state; it is woken by what happens (the run ends, a stop
// is asked for) or by a deadline, never by polling.
//
// # What may be in it
//
// The life of tasks on one machine. It imports worker/task and worker/wire, and
// neither a runtime nor a store nor HTTP handlers nor anything of the scheduler:
// only cmd/cube knows which concrete types are wired together.
package worker
