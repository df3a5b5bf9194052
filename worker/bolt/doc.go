// Package bolt keeps a worker's state in one bbolt file: the worker's Store.
//
// A record is JSON under its task's ID, behind a checksum, since bbolt has none
// for its data pages. The file says which schema it is written in; one from a
// newer version is left alone. It is readable by its owner only: it holds the
// environment of tasks, secrets included.
//
// In this room belongs what knows of bbolt. It imports worker for the types it
// stores, and nothing else of Cube.
package bolt
