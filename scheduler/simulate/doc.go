// Package simulate replays recorded load through the scheduler: the very same
// [scheduler.State], filters, policies and promises that the manager runs, with
// a simulated clock, simulated machines and simulated scrapes, so that policies
// can be compared on the same tasks, arrivals and readings.
//
// In this room belong the traces, the machines that tasks run on in a replay,
// what is measured of a replay, and placers that no manager can have: chance,
// and oracles that are told the future. It imports scheduler and
// scheduler/policy, and of the worker its vocabulary, worker/task.
//
// # The rules of a replay
//
// A task that was placed at second a uses what its record says of the slot
// ⌊t/300⌋ for a ≤ t < its departure. Nothing migrates. A task goes to a machine
// only within Σ CPU requests ≤ overcommit × capacity and Σ memory requests ≤
// memory; one that fits nowhere is rejected. A machine asked for more CPU than
// it has serves every task there in the same proportion less.
//
// Each machine is read every interval, at a phase of its own. A reading is what
// the metrics page would have shown: the busy share averaged over the window of
// the metric, which is never above 1, and of each task the CPU seconds that it
// was served, the memory it uses and its start. The scheduler is told of an end
// when it happens, as a manager is that watches its workers.
//
// The scheduler knows the requests, those readings and its own decisions. It
// knows neither the record's names nor anything that is still to come.
//
// # What is measured
//
// The first hour warms up and is not counted. Of each machine and each slot
// after it the CPU asked for, averaged over the slot, is one observation.
package simulate
