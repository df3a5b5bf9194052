package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"cube/worker/wire"
)

// TaskChange is what has become of a task.
type TaskChange struct {
	ID uuid.UUID
	// Task is the task as it is now; nil when it is not listed any more.
	Task *wire.PlacedTask
	// Version is where to go on from after this change; empty where the
	// manager has sent only a part of the changes that belong together.
	Version string
}

// ErrReset says that the manager does not know the version a watch started
// from, or not any more: the list has to be read again.
var ErrReset = errors.New("the changes since that version are not known any more; list the tasks again")

// Watch yields the changes of tasks after a version, a page's or a change's, as
// they happen; an empty version is now. It goes on until ctx ends or the
// connection does, and yields the error last: ErrReset, ctx's, or what the
// connection ended with. To go on, watch again from the last Version seen.
func (c *Client) Watch(ctx context.Context, version string) iter.Seq2[TaskChange, error] {
	return func(yield func(TaskChange, error) bool) {
		header := http.Header{"Accept": {"text/event-stream"}}
		if version != "" {
			header.Set("Last-Event-ID", version)
		}
		answer, err := c.caller.Do(ctx, wire.Request{Method: http.MethodGet, Path: "/tasks", Header: header})
		if err != nil {
			yield(TaskChange{}, err)
			return
		}
		defer func() { _ = answer.Body.Close() }() // a stream has no end to read to
		lines := bufio.NewReader(answer.Body)
		for {
			change, err := readChange(lines)
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if !yield(change, err) || err != nil {
				return
			}
		}
	}
}

// readChange reads one server-sent event of the kinds the manager sends.
func readChange(lines *bufio.Reader) (TaskChange, error) {
	var event, data string
	var change TaskChange
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the stream has no end of its own
			}
			return TaskChange{}, fmt.Errorf("the watch of tasks broke off: %w", err)
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case key == "event":
			event = value
		case key == "id":
			change.Version = value
		case key == "data":
			data = value
		case line == "\n" && event != "":
			return decodeChange(event, data, change)
		}
	}
}

func decodeChange(event, data string, change TaskChange) (TaskChange, error) {
	switch event {
	case "reset":
		return change, ErrReset
	case "gone":
		var gone struct{ ID uuid.UUID }
		if err := json.Unmarshal([]byte(data), &gone); err != nil {
			return change, fmt.Errorf("a change of a task cannot be read: %w", err)
		}
		change.ID = gone.ID
		return change, nil
	default:
		change.Task = new(wire.PlacedTask)
		if err := json.Unmarshal([]byte(data), change.Task); err != nil {
			return change, fmt.Errorf("a change of a task cannot be read: %w", err)
		}
		change.ID = change.Task.ID
		return change, nil
	}
}
