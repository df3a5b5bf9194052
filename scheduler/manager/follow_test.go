package manager

import (
	"testing"
	"testing/synctest"
	"time"

	"cube/worker/client"
	"cube/worker/task"
)

// That a task runs may be read in a list before the answer comes in which it was
// only taken: the older news must not stay, since the list of changes does not
// tell the newer ones twice.
func TestListBeforeTheAnswerToASubmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		w := f.worker("node-1")
		w.set(func() { w.startDelay = time.Second })
		f.submit(nil) // has the worker's list read all the time
		f.wait(100 * time.Millisecond)
		w.set(func() { w.startDelay, w.lateAnswer = 20*time.Millisecond, 500*time.Millisecond })
		id := f.submit(nil)
		f.wait(100 * time.Millisecond)
		f.is(id, task.Running, "node-1")
		f.wait(500 * time.Millisecond)
		f.is(id, task.Running, "node-1")
	})
}

// The more nodes change, the more of their changes are read with one request.
func TestPollsAreSharedOut(t *testing.T) {
	m := &Manager{}
	waits := &poll{query: client.TasksQuery{Wait: time.Second}}
	for _, test := range []struct {
		following, tasks int
		p                *poll
		want             time.Duration
	}{
		{1, 1, waits, minListGap},
		{1, 1, new(poll), listCost},
		{100, 1, waits, 100 * time.Millisecond},
		{100, 1, new(poll), listCost},
		{500, 1, waits, 500 * time.Millisecond},
		{10_000, 1, waits, maxListGap},
		{1, 1_000_000, new(poll), maxListGap},
	} {
		m.following = test.following
		if got := m.pollGap(test.p, &client.TasksAnswer{Tasks: make([]*task.Task, test.tasks)}); got != test.want {
			t.Errorf("%d nodes followed, %d tasks: %v, want %v", test.following, test.tasks, got, test.want)
		}
	}
}
