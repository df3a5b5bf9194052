// Package workertest has stand-ins for what a worker needs of the outside, for
// tests that inject faults and for tests on virtual time: a Runtime whose runs
// are told by the test how and when to end, and a Store in memory. What real
// runtimes and the real store do is tested with the real ones.
//
// In this room belongs what tests of several packages share. Nothing but tests
// imports it.
package workertest
