// Command supervisor is nothing but the supervisor of a run: for tests under the
// race detector, which makes a program's own start and end slow.
package main

import "cube/worker/process"

func main() { process.Supervise() }
