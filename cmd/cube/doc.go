// Command cube is the one binary: the worker, the manager, both at once for a
// first look (dev), and the command line client.
//
// A subcommand has a file of its own name. What is wired here is the only place
// that knows concrete types: which runtime a worker has, which store a manager
// has, what is mounted on which listener. The worker and dev are there on Linux
// only; the manager and the client build everywhere.
package main
