package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cube/worker/task"
	"cube/worker/wire"
)

// TasksQuery narrows a list of tasks; the zero value keeps all.
type TasksQuery struct {
	State []task.State // any of these
	Node  string       // placed there
	Name  string
	Limit int // how many at most; 0 is no limit
	// After is the Next of the page before.
	After string
}

// TasksPage is a part of a list of tasks, oldest first.
type TasksPage struct {
	Tasks []wire.PlacedTask
	// Next is the cursor of the next page; empty when this is the last.
	Next string
	// Version is where a [Client.Watch] starts that is to miss nothing.
	Version string
}

func (q *TasksQuery) values() url.Values {
	values := url.Values{}
	for _, state := range q.State {
		values.Add("state", state.String())
	}
	for key, value := range map[string]string{"node": q.Node, "name": q.Name, "after": q.After} {
		if value != "" {
			values.Set(key, value)
		}
	}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	return values
}

// ListTasks lists the tasks that the query keeps, a page at a time.
func (c *Client) ListTasks(ctx context.Context, q TasksQuery) (TasksPage, error) {
	page := TasksPage{Tasks: []wire.PlacedTask{}}
	header, err := c.ask(ctx, http.MethodGet, "/tasks", q.values(), nil, &page.Tasks)
	if err != nil {
		return TasksPage{}, err
	}
	page.Version = strings.Trim(header.Get("ETag"), `"`)
	page.Next = nextCursor(header.Get("Link"))
	return page, nil
}

// nextCursor takes the cursor from a Link header's target.
func nextCursor(link string) string {
	target, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	next, err := url.Parse(target)
	if err != nil {
		return ""
	}
	return next.Query().Get("after")
}
