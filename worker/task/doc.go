// Package task is the vocabulary that every part of Cube shares: a [Task], the
// [State] it is in, the transitions between states, the [Event] that asks for
// one, and the rules a request has to meet.
//
// The words are those of the orchestration book Cube grew out of, in Go and on
// the wire. Units are base units: cores, bytes, seconds.
//
// In this room belongs what a worker, a manager and a client must mean by the
// same word. It does no I/O, starts nothing, and imports nothing of Cube.
//
// # States
//
//	pending ──► scheduled ──► running ──► completed | failed
//
// A task is pending until the manager has chosen a node for it, scheduled once
// a node has it, running once its process or container has started. A requested
// stop ends as completed whatever the exit code; otherwise exit code 0 is
// completed and anything else failed. The whole table is in state.go; what is
// not in it is refused with a [TransitionError] that names both states.
package task
