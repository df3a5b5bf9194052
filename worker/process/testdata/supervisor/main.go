// Command supervisor is nothing but the supervisor of a run: for tests under the
// race detector, which makes a program's own start and end slow.
package main

import _ "cube/worker/process/supervise" // becomes it by its name

func main() {}
