// Package swarmkit places the same tasks on the same number of nodes by Cube's
// scheduler and by SwarmKit's, in one run on one machine. It is a module of its
// own, so that the peer and what it depends on are no part of Cube.
//
//	go test -mod=mod -run '^$' -bench . -benchtime 1x -timeout 60m
//
// SwarmKit runs as in its own benchmark: its scheduler over its memory store,
// with transactions and events, without Raft and agents, and its tasks ask for
// nothing. Cube's tasks ask for CPU, memory and disk; each decision is written
// down as it is stored and its placement is taken into the state. "single" are
// tasks of which no two are alike; "batch" are tasks of one service, which is
// SwarmKit's fast path, and batches of 1,000 equal ones here.
package swarmkit
