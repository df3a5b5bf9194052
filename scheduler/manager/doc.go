// Package manager holds the desired state of a fleet: which tasks there ought
// to be, on which node each of them is, and what became of it. It places
// pending tasks by the decisions of package scheduler, hands them to their
// workers, follows them, and places them anew when a node is lost.
//
// # What is promised
//
// A task is on disk before Submit returns, a stop before Stop returns, and a
// placement with its decision before the worker is told. After a crash of the
// manager everything is loaded again, and the workers' own lists say what has
// happened meanwhile.
//
// Each placement of a task has a larger allocation number than all before. A
// worker starts an allocation at most once, and refuses one that is older than
// it has seen. A node that was not heard of for the node timeout is down: its
// tasks are placed anew under a new allocation. While a worker is cut off, it
// goes on running what it has: a task can then run twice, from the node timeout
// until the worker is heard of again and told to stop the old copy. That goes
// for what it was handed just before, too: an order that waited at a worker
// which stood still is begun when the worker goes on. Within the node timeout,
// and while all workers are reachable, no task runs twice. Time in which the
// manager itself stood still (SIGSTOP, a machine that was suspended) counts for
// no node's timeout.
//
// What a worker runs that this manager did not start is reported and never
// touched.
//
// # States of a task
//
// In the manager's records a task moves as the table in worker/task says:
//
//	pending → scheduled: a decision has found a node
//	pending → completed: stopped before it ran
//	scheduled → running: its worker has started it
//	scheduled → completed: it ended before it was seen running, or was stopped
//	scheduled → failed: it could not be started, or failed before it was seen running
//	scheduled → pending: its worker refused it, its node was lost, or its placement could not be written
//	running → completed: it ended with exit code 0, or was stopped
//	running → failed: it ended in any other way
//	running → pending: its node was lost, or is being drained
//	running → scheduled: its worker is restarting it
//	completed → scheduled: its worker is restarting it
//	failed → scheduled: its worker is restarting it
//
// # States of a node
//
//	unknown → ready: its first reading
//	unknown → down: no reading within the node timeout
//	ready → stale: no reading for StaleAfter
//	stale → ready: a reading
//	stale → down: no reading for DownAfter, the node timeout
//	down → ready: a reading
//	ready → draining: told to drain
//	draining → ready: told to resume
//	draining → down: no reading for DownAfter
//	down → draining: a reading, while it drains
//
// Draining hides unknown and stale: what counts is that the node takes nothing
// new.
//
// # Inside
//
// One lock guards the records; they are immutable and replaced as a whole, so
// that lists copy them without holding anybody up. No lock is held during I/O.
// The placement loop is one goroutine. A node has up to InFlight goroutines
// while there is something to tell its worker, and one while something is
// expected to change there, which waits on the worker rather than asks in
// turns; where many nodes change all the time, each is asked less often. It reads what has changed since its last look, and the whole list after
// a node has joined or come back, where something may be missing there, and once
// a minute. The journal is one goroutine that brings changes to disk in their
// order, all that wait with one transaction.
//
// In this room belongs what decides what ought to be where. It does no HTTP and
// knows no file format: workers, scraper and store are interfaces declared
// here. It imports scheduler, scheduler/scrape for the targets and results it
// exchanges with the scraper, worker/client for the queries of its Worker
// interface, and the vocabulary.
package manager
