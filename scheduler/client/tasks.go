package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/google/uuid"

	"cube/scheduler"
	"cube/worker/task"
	"cube/worker/wire"
)

// Submit hands a task to the manager. It returns once the task is on the
// manager's disk. A task without an ID is given one; one that has an ID can be
// submitted again after a lost answer, and is accepted once.
func (c *Client) Submit(ctx context.Context, t *task.Task) (wire.PlacedTask, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return wire.PlacedTask{}, fmt.Errorf("the task cannot be written as JSON: %w", err)
	}
	return c.SubmitJSON(ctx, body)
}

// SubmitJSON hands on a task as people write it: a Task, or the book's Event
// around one. A field that the manager does not know is refused.
func (c *Client) SubmitJSON(ctx context.Context, body []byte) (wire.PlacedTask, error) {
	var placed wire.PlacedTask
	_, err := c.ask(ctx, http.MethodPost, "/tasks", nil, body, &placed)
	return placed, err
}

// SubmitAll hands many tasks to the manager, up to [wire.MaxTasks] with a
// request. Each is accepted or refused by itself: what became of it stands at
// its place in the outcomes, once it is on the manager's disk. With an error,
// those that were handed over before it are there. Tasks without an ID are given
// one, here, so that all can be submitted again after a lost answer, and are
// accepted once.
func (c *Client) SubmitAll(ctx context.Context, tasks []*task.Task) ([]wire.Submitted, error) {
	var outcomes []wire.Submitted
	for len(tasks) > 0 {
		body, n, err := listOf(tasks)
		if err != nil {
			return outcomes, err
		}
		var some []wire.Submitted
		if _, err := c.ask(ctx, http.MethodPost, "/tasks", nil, body, &some); err != nil {
			return outcomes, err
		}
		if len(some) != n {
			return outcomes, fmt.Errorf("the manager answers with %d outcomes to %d tasks", len(some), n)
		}
		outcomes, tasks = append(outcomes, some...), tasks[n:]
	}
	return outcomes, nil
}

// listOf writes as many of the tasks as one request may have, and at least one.
func listOf(tasks []*task.Task) (body []byte, n int, err error) {
	body = append(body, '[')
	for _, t := range tasks[:min(len(tasks), wire.MaxTasks)] {
		if t.ID == uuid.Nil {
			t.ID = uuid.New()
		}
		text, err := json.Marshal(t)
		if err != nil {
			return nil, 0, fmt.Errorf("the task %s cannot be written as JSON: %w", t.ID, err)
		}
		if n > 0 && len(body)+len(text)+len(",]") > wire.MaxBody {
			break
		}
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, text...)
		n++
	}
	return append(body, ']'), n, nil
}

// Tasks lists all tasks the manager knows, oldest first.
func (c *Client) Tasks(ctx context.Context) ([]wire.PlacedTask, error) {
	tasks := []wire.PlacedTask{}
	_, err := c.ask(ctx, http.MethodGet, "/tasks", nil, nil, &tasks)
	return tasks, err
}

// Task returns one task. An unknown one is a [*wire.Error] with the code
// not_found.
func (c *Client) Task(ctx context.Context, id uuid.UUID) (wire.PlacedTask, error) {
	var placed wire.PlacedTask
	_, err := c.ask(ctx, http.MethodGet, taskPath(id, ""), nil, nil, &placed)
	return placed, err
}

// Stop asks for a task to be stopped. It returns once that wish is on the
// manager's disk; the task has ended when its state says so. Asked again, it
// succeeds again.
func (c *Client) Stop(ctx context.Context, id uuid.UUID) error {
	_, err := c.ask(ctx, http.MethodDelete, taskPath(id, ""), nil, nil, nil)
	return err
}

// Decision returns the last decision about a task: why it is where it is, or
// why it is nowhere.
func (c *Client) Decision(ctx context.Context, id uuid.UUID) (scheduler.Decision, error) {
	var decision scheduler.Decision
	_, err := c.ask(ctx, http.MethodGet, taskPath(id, "/decision"), nil, nil, &decision)
	return decision, err
}

// LogQuery narrows a task's output.
type LogQuery = wire.LogQuery

// Logs returns a task's output as its worker streams it; the caller closes it.
func (c *Client) Logs(ctx context.Context, id uuid.UUID, q LogQuery) (io.ReadCloser, error) {
	answer, err := c.caller.Do(ctx, wire.Request{Method: http.MethodGet, Path: taskPath(id, "/logs"), Query: q.Values()})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

func taskPath(id uuid.UUID, rest string) string { return "/tasks/" + id.String() + rest }
