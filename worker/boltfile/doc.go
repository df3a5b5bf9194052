// Package boltfile opens files of bbolt, and reads and writes them, so that a
// damaged one is an error and not a panic: bbolt panics, or faults on a page of
// its map that is not there, over what it did not write itself.
//
// In this room belongs what the stores of the worker and of the manager have in
// common: nothing here knows what is in a file. It imports nothing of Cube, and
// builds on every system.
package boltfile
