package manager

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"cube/worker/wire"
)

// Version is a position in the changes of tasks. Two lists with the same
// version are the same.
type Version struct {
	Life   uint64 // of the manager: positions of another one mean nothing
	Number uint64 // grows with each change
}

// String writes the version as it stands in an ETag and an event's ID.
func (v Version) String() string {
	return strconv.FormatUint(v.Life, 36) + "-" + strconv.FormatUint(v.Number, 10)
}

// ParseVersion reads what String writes.
func ParseVersion(text string) (Version, error) {
	life, number, found := strings.Cut(text, "-")
	l, errLife := strconv.ParseUint(life, 36, 64)
	n, errNumber := strconv.ParseUint(number, 10, 64)
	if !found || errLife != nil || errNumber != nil {
		return Version{}, fmt.Errorf("%q is not a version of the list of tasks", text)
	}
	return Version{Life: l, Number: n}, nil
}

// Change is what has become of a task; Task is nil when it is not listed any
// more.
type Change struct {
	ID   uuid.UUID
	Task *wire.PlacedTask
}

// keepChanges is how many changes are remembered for who comes back to them.
const keepChanges = 1 << 14

// watch numbers the changes of tasks and remembers the last ones. The manager's
// lock guards it.
type watch struct {
	at   Version
	ring []uuid.UUID   // the task of change n is at (n-1) % keepChanges; grows to that
	news chan struct{} // closed with the next change; nil while nobody waits
}

func newWatch() *watch {
	return &watch{at: Version{Life: rand.Uint64()}}
}

// changed notes that what is shown of a task has changed.
func (w *watch) changed(id uuid.UUID) {
	if w.at.Number < keepChanges {
		w.ring = append(w.ring, id)
	} else {
		w.ring[w.at.Number%keepChanges] = id
	}
	w.at.Number++
	if w.news != nil {
		close(w.news)
		w.news = nil
	}
}

// next is closed with the next change.
func (w *watch) next() <-chan struct{} {
	if w.news == nil {
		w.news = make(chan struct{})
	}
	return w.news
}

// since lists the tasks that have changed after from, each once, in the order
// of their first change; false when from is not remembered.
func (w *watch) since(from Version) ([]uuid.UUID, bool) {
	if from.Life != w.at.Life || from.Number > w.at.Number || w.at.Number-from.Number > keepChanges {
		return nil, false
	}
	var ids []uuid.UUID
	seen := map[uuid.UUID]struct{}{}
	for n := from.Number; n < w.at.Number; n++ {
		id := w.ring[n%keepChanges]
		if _, again := seen[id]; !again {
			seen[id] = struct{}{}
			ids = append(ids, id)
		}
	}
	return ids, true
}

// Version is the present version of the list of tasks.
func (m *Manager) Version() Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.watch.at
}

// Changes returns the tasks that have changed since from, as they are now, and
// the version that they bring the list to. It waits for the first change, at
// most for wait, and then returns none. reset says that from is too old, or
// from another life of the manager: then the list is to be read again. The
// error is that ctx or the manager ends.
func (m *Manager) Changes(ctx context.Context, from Version, wait time.Duration) (changes []Change, at Version, reset bool, err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for over := false; ; {
		m.mu.Lock()
		ids, known := m.watch.since(from)
		at = m.watch.at
		if !known || len(ids) > 0 || over {
			changes = m.shownChanges(ids)
			m.mu.Unlock()
			return changes, at, !known, nil
		}
		news := m.watch.next()
		m.mu.Unlock()
		select {
		case <-news:
		case <-timer.C:
			over = true
		case <-ctx.Done():
			return nil, at, false, ctx.Err()
		case <-m.ended:
			return nil, at, false, errStopped
		}
	}
}

func (m *Manager) shownChanges(ids []uuid.UUID) []Change {
	changes := make([]Change, 0, len(ids))
	for _, id := range ids {
		change := Change{ID: id}
		if e := m.tasks[id]; e != nil {
			placed := e.record.placed(m.pendingReason(e))
			change.Task = &placed
		}
		changes = append(changes, change)
	}
	return changes
}
