package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// Submit hands an event to the worker: State Running starts its task, Completed
// stops it. It returns once the event is on the worker's disk, with the task as
// it then is. The same event sent again, after a lost answer, acts once.
func (c *Client) Submit(ctx context.Context, event task.Event) (*task.Task, error) {
	body, err := wire.AppendEvent(nil, &event)
	if err != nil {
		return nil, fmt.Errorf("the event cannot be written as JSON: %w", err)
	}
	t := new(task.Task)
	if _, err := c.ask(ctx, http.MethodPost, "/tasks", nil, body, t); err != nil {
		return nil, err
	}
	return t, nil
}

// Stop asks for a task to be stopped, and returns once that wish is on the
// worker's disk; the task has ended when its state says so. Asked again, it
// succeeds again.
//
// With an allocation it stops that allocation or an older one, a newer one is
// the error stale_allocation, and a task that the worker does not know is no
// error: a start that is still under way will be refused. Without one (nil) a
// task that the worker does not know is the error not_found.
func (c *Client) Stop(ctx context.Context, id uuid.UUID, allocation *uint64) error {
	query := url.Values{}
	if allocation != nil {
		query.Set("allocation", strconv.FormatUint(*allocation, 10))
	}
	_, err := c.ask(ctx, http.MethodDelete, taskPath(id, ""), query, nil, nil)
	return err
}

// TasksQuery narrows a list of tasks, and can wait for a change.
type TasksQuery struct {
	// State keeps the tasks in one of these states; empty keeps all.
	State []task.State
	// Since is the generation of an earlier answer; with a Wait, the answer
	// comes once the worker's generation is another one.
	Since uint64
	// Wait is how long the worker may hold the answer back for that; at
	// most some minutes, the worker decides. The answer is the list as it
	// is then, changed or not.
	Wait time.Duration
	// Changed asks for the tasks alone that have changed after Since. A
	// worker that does not know of that generation, or of this wish, answers
	// with the whole list.
	Changed bool
}

// Values returns the query as it stands in a URL.
func (q TasksQuery) Values() url.Values {
	values := url.Values{}
	for _, state := range q.State {
		values.Add("state", state.String())
	}
	if q.Since > 0 {
		values.Set("since", strconv.FormatUint(q.Since, 10))
	}
	if q.Wait > 0 {
		values.Set("wait", q.Wait.String())
	}
	if q.Changed {
		values.Set("changed", "1")
	}
	return values
}

// TasksAnswer is a list of tasks, ordered by ID, and the worker's generation at
// that moment. The values of Env are masked.
type TasksAnswer struct {
	Tasks      []*task.Task
	Generation uint64
	// Partial says that Tasks are only those that have changed after the
	// query's Since.
	Partial bool
}

// Tasks lists the worker's tasks, the whole list each time.
func (c *Client) Tasks(ctx context.Context, q TasksQuery) (TasksAnswer, error) {
	answer := TasksAnswer{Tasks: []*task.Task{}}
	header, err := c.ask(ctx, http.MethodGet, "/tasks", q.Values(), nil, &answer.Tasks)
	if err != nil {
		return TasksAnswer{}, err
	}
	tag := header.Get("ETag")
	// A proxy that compresses makes the tag a weak one.
	answer.Generation, err = strconv.ParseUint(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`), 10, 64)
	if err != nil {
		return TasksAnswer{}, fmt.Errorf("the worker's answer to GET /tasks has the ETag %q; want a generation", tag)
	}
	answer.Partial = header.Get(wire.DeltaBase) != ""
	return answer, nil
}

// Task returns one task, its values of Env masked. An unknown one is a
// [*wire.Error] with the code not_found.
func (c *Client) Task(ctx context.Context, id uuid.UUID) (*task.Task, error) {
	t := new(task.Task)
	if _, err := c.ask(ctx, http.MethodGet, taskPath(id, ""), nil, nil, t); err != nil {
		return nil, err
	}
	return t, nil
}

func taskPath(id uuid.UUID, rest string) string { return "/tasks/" + id.String() + rest }
