// Package scheduler places tasks on nodes by what the nodes measure and by what
// was promised on them since. It is pure: readings, placements and demands go
// in, an [Outcome] comes out, which writes its [Decision] when somebody asks. It
// reads no clock, does no I/O, starts no goroutine, and all chance in it comes
// from the seed that the caller gives: the same history gives the same
// decisions, in the manager and in a replay.
//
// In this room belong the state of the nodes, the filters, what scorers may
// look at, and the record of a decision. It imports worker/task and nothing
// else of Cube. The scorers are in scheduler/policy, the readings come from
// scheduler/scrape, and scheduler/manager acts on the decisions.
//
// # From a reading to a decision
//
// [State.Observe] takes a [Reading] in: what a worker's metrics page said at
// one moment. Every figure has its own name and unit, one that the page did not
// have is [Absent], and a reading that cannot be is refused with the name of
// the metric. Nothing ever becomes zero because it was not there.
//
// [State.Place] says that a task is on a node. From then on the node's reading
// is wrong: it was taken before the task was there. The expected CPU use of a
// node is therefore
//
//	measured + Σ p·(1 − o/w) − Σ u·o/w        (not below 0)
//
// The first sum is over live tasks, the second over those that have ended; w is
// the window that the measured figure is an average of, o how many seconds of
// that window the task ran, on the worker's clock; p is what the task is
// predicted to use, u what it used. A task that came 5 s before the reading is
// in an average over 15 s with a third; two thirds are still to come. One that
// has just ended is in it with all, and all is taken off.
//
// Memory and disk are promises. A task fits when its memory request is no more
// than
//
//	min(available − Σ max(0, request − measured use), allocatable − Σ requests)
//
// over the live tasks, so that what was promised is still there when a task
// grows into it; for disk, min(allocatable − Σ requests, available − requests
// placed since the reading). CPU is a preference within a bound: requests may
// total the worker's overcommit times its allocatable cores.
//
// Predictions are learned: the mean share of its request that measured tasks of
// the same name used, drawn towards that of tasks with the same request, that
// towards the mean of all tasks, and that towards 1, each as if five more tasks
// had it. Before anything is measured p is the request.
//
// The policy "measured" adds up what each task there is expected to use from here
// on, in cores, and by how much that may be wrong, in cores². Of a measured task
// it is a blend of its use since the last reading, over half an hour, over two
// hours, and of its kind's, by weights that are learned from what tasks with such
// averages used in the two hours after (blend.go has the formula, its constants
// and an example); its variance is that of its own use, drawn towards its kind's,
// and of the chance that it changes (predict.go). What else uses CPU on the node
// is the rest of what the node uses (other.go). It degrades by rule: without
// metrics of tasks the node's measured use counts, with what was placed since;
// without a fresh reading, the requests; without any reading nothing is placed.
//
// # Who may have the task
//
// [State.Decide] asks the filters first. A node is refused, under the first
// reason that holds: down, no reading, draining, the worker itself refused this
// allocation, a label, CPU, memory, disk, a host port, the spread limit. A node
// whose last reading is older than the stale age is refused while a fresh one
// fits; when none does, it is judged by the last reading or its allocations,
// whichever is worse, and its CPU by its allocations alone. Each refusal is
// counted; the first three nodes by name are kept as examples, with the figures
// and a sentence.
//
// # Which of them
//
// The policy's scorers price the nodes that passed. One scorer ranks by its
// cost; several by the weighted mean of their scores, 0 to 100. Equal nodes are
// ordered by a hash of the seed and their names. The [Decision] holds the winner
// and the next four with every component and every figure that went in, so that
// [Recompute] gives the same scores to the last bit, with no other knowledge.
//
// # Speed
//
// What a decision looks at is kept in columns, a slice a figure; a change to a
// node touches that node alone. Nodes that are alike stand together, in blocks
// of 64 and in cells of 16: each block knows the least room of its nodes, block
// and cell their least terms. Where all of a block have room none is filtered one
// by one; where not even the block's least terms make a cost below the fifth best
// so far, its cells are not looked at, and where a cell's do not, none of it is
// priced. What a demand is to a node's capacity is reckoned once for
// nodes of one capacity; where there are many (machines of one model differ by
// some bytes of memory) once for those that are near to each other, as another
// bound. The result is that of a loop over all nodes, and a test holds it to
// that. [State.DecideBatch] makes one pass for many equal demands; after each
// placement only the winner has changed.
//
// A decision takes the memory of its record and no more. An [Outcome] points to
// what its nodes looked like, which is written down once until the node changes,
// and those of a batch share what they have in common; scores and sums are
// reckoned from it, to the same figures, when the Decision is written out.
package scheduler
