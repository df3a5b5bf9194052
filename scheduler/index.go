package scheduler

import (
	"hash/maphash"

	"github.com/google/uuid"
)

// taskIndex finds live tasks by their ID: a table with linear probing (Knuth,
// volume 3, 6.4, algorithms L and R). It takes a third of a map's time, which
// for a batch is much of the whole. The seed of its hash, unknown to whoever
// chooses IDs, decides nothing but where in the table a task is.
type taskIndex struct {
	seed  maphash.Seed
	table []indexed // a power of two of them, at most 3/4 in use
	tasks int
}

type indexed struct {
	hash uint64
	task *placed // nil where there is none
}

// leastIndex is how many places the smallest table has.
const leastIndex = 64

func newTaskIndex() taskIndex {
	return taskIndex{seed: maphash.MakeSeed(), table: make([]indexed, leastIndex)}
}

// find returns the task, nil when it is not there.
func (x *taskIndex) find(id uuid.UUID) *placed {
	hash := maphash.Bytes(x.seed, id[:])
	for at := x.home(hash); ; at = x.after(at) {
		e := &x.table[at]
		if e.task == nil || e.hash == hash && e.task.id == id {
			return e.task
		}
	}
}

// add puts a task in that is not there yet.
func (x *taskIndex) add(t *placed) {
	if 4*(x.tasks+1) > 3*len(x.table) {
		x.grow()
	}
	x.tasks++
	x.put(indexed{maphash.Bytes(x.seed, t.id[:]), t})
}

func (x *taskIndex) put(e indexed) {
	at := x.home(e.hash)
	for x.table[at].task != nil {
		at = x.after(at)
	}
	x.table[at] = e
}

func (x *taskIndex) grow() {
	old := x.table
	x.table = make([]indexed, 2*len(old))
	for _, e := range old {
		if e.task != nil {
			x.put(e)
		}
	}
}

// remove takes a task out that is there, and moves those up that were put after
// it for want of their own place.
func (x *taskIndex) remove(t *placed) {
	gap := x.home(maphash.Bytes(x.seed, t.id[:]))
	for x.table[gap].task != t {
		gap = x.after(gap)
	}
	for at := x.after(gap); x.table[at].task != nil; at = x.after(at) {
		if x.between(gap, x.home(x.table[at].hash), at) {
			continue // it would come before its place
		}
		x.table[gap] = x.table[at]
		gap = at
	}
	x.table[gap] = indexed{}
	x.tasks--
}

// between reports whether home is behind gap and not behind at, going round.
func (x *taskIndex) between(gap, home, at int) bool {
	mask := len(x.table) - 1
	return (home-gap-1)&mask < (at-gap)&mask
}

func (x *taskIndex) home(hash uint64) int { return int(hash) & (len(x.table) - 1) }

func (x *taskIndex) after(at int) int { return (at + 1) & (len(x.table) - 1) }
