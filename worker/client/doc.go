// Package client is the Go client of a worker's HTTP API: start and stop tasks,
// list them, wait for a change, read their output.
//
// A refusal by the worker is a [*wire.Error], so errors.As tells its code and
// the field at fault; any other error means that the worker did not answer or
// that the answer could not be read.
//
// In this room belongs what a manager or a program needs to talk to a worker.
// Of Cube it imports only the vocabulary (worker/task, worker/wire): no server,
// no store and no runtime. It builds on every system.
package client
