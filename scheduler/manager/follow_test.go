package manager

import (
	"testing"
	"time"

	"cube/worker/client"
	"cube/worker/task"
)

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
