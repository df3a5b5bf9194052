// Package bolt keeps the manager's state in one bbolt file.
//
// The file has three buckets of data: tasks and decisions, keyed by the task's
// Seq so that new ones are written side by side, and nodes, keyed by name; and
// one that holds the version of this schema. Values are JSON, but for decisions:
// those are in the scheduler's compact form, 1 KB at most for any size of fleet.
// A file of an older version is read as it is. The file's mode is 0600: it holds
// the tasks' environments.
//
// A file that is corrupt, of a newer schema or in use by another process is
// refused with a sentence that says so, and left as it is.
//
// In this room belongs what knows bbolt. It imports scheduler/manager for the
// interface it implements and the scheduler for decisions.
package bolt
