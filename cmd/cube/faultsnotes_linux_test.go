package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// notes is what happened, as the test saw it.
type notes struct {
	mu     sync.Mutex // guards the fields below
	file   *os.File
	downs  []nodeDown
	judged int                 // how many of them have been looked at
	anew   map[string][]uint64 // by task: the allocations that a lost node took with it
	moved  map[string][]uint64 // by task: those that ended for a node to be drained
	// reached is when each worker last answered the probe.
	reached map[string][]time.Time
}

// nodeDown is when the manager gave a node up.
type nodeDown struct {
	node string
	at   time.Time
}

func newNotes(path string) *notes {
	n := &notes{anew: map[string][]uint64{}, moved: map[string][]uint64{}, reached: map[string][]time.Time{}}
	n.file, _ = os.Create(path) // without it the notes are for the test alone
	return n
}

func stamp() string { return time.Now().Format("15:04:05.000") }

// add writes down something for whoever reads the logs.
func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.file, stamp()+" "+format+"\n", args...)
}

func (n *notes) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.file.Close()
}

// hear takes a line that the manager has printed.
func (n *notes) hear(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case strings.Contains(line, `msg="A node is down; its tasks are placed anew."`):
		n.downs = append(n.downs, nodeDown{logged(line, "node"), time.Now()})
	case strings.Contains(line, `msg="A task is placed anew."`):
		why := n.anew
		switch {
		case strings.Contains(line, "its node is being drained"):
			why = n.moved
		case !strings.Contains(line, "was not heard of for"):
			return
		}
		if allocation, err := strconv.ParseUint(logged(line, "allocation"), 10, 64); err == nil {
			id := logged(line, "task")
			why[id] = append(why[id], allocation)
		}
	}
}

// logged is the value of a key in a line of the log.
func logged(line, key string) string {
	_, rest, _ := strings.Cut(line, " "+key+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}

// lost reports whether a node was given up that had an allocation of the task
// from one up to, not with, another.
func (n *notes) lost(id string, from, to uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return holdsAny(n.anew[id], from, to)
}

// drained reports whether such an allocation was stopped for its node to be
// drained: then it had ended before the next began.
func (n *notes) drained(id string, from, to uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return holdsAny(n.moved[id], from, to)
}

func holdsAny(allocations []uint64, from, to uint64) bool {
	return slices.ContainsFunc(allocations, func(a uint64) bool { return a >= from && a < to })
}

// Probes ask for what the manager asks for, from where it is, and give up
// sooner: what they reach, it can.
const (
	probeInterval = 250 * time.Millisecond
	probeTimeout  = 200 * time.Millisecond
)

// probe asks every worker for its page from the manager's host until ctx ends.
func (r *trial) probe(ctx context.Context) {
	var group sync.WaitGroup
	for _, m := range r.workers {
		group.Go(func() {
			// A connection of its own each time, as after a link was cut.
			client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{DialContext: r.manager.host.DialContext, DisableKeepAlives: true}}
			for ; ctx.Err() == nil; waitUntil(ctx, probeInterval) {
				asked := time.Now()
				response, err := client.Get(m.url() + "/metrics")
				if err != nil {
					continue
				}
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err == nil && response.StatusCode == http.StatusOK {
					r.notes.mu.Lock()
					r.notes.reached[m.name] = append(r.notes.reached[m.name], asked)
					r.notes.mu.Unlock()
				}
			}
		})
	}
	group.Wait()
}

// downs is how often a node was given up.
func (r *trial) downs() int {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return len(r.notes.downs)
}
