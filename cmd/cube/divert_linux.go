package main

import "cube/worker/process"

// divert does not return where this process was started as the supervisor of a
// process task: the binary re-executes itself for it.
func divert() {
	if process.IsSupervisor() {
		process.Supervise()
	}
}
