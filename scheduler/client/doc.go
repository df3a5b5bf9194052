// Package client is the Go client of the manager's HTTP API: submit, list and
// stop tasks, read their output and the decisions behind them, list and join
// nodes.
//
// A refusal by the manager is a [*wire.Error], so errors.As tells its code and
// the field at fault; any other error means that the manager did not answer or
// that the answer could not be read.
//
// In this room belongs what a program needs to talk to a manager. It imports
// the vocabulary (worker/task, worker/wire and the Decision of scheduler), no
// server and no store, and builds on every system.
package client
