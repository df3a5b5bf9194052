package client

import (
	"context"
	"io"
	"net/http"

	"github.com/google/uuid"

	"cube/worker/wire"
)

// LogQuery narrows a task's output.
type LogQuery = wire.LogQuery

// Logs returns the output of a task's present or last run as it is streamed;
// the caller closes it.
func (c *Client) Logs(ctx context.Context, id uuid.UUID, q LogQuery) (io.ReadCloser, error) {
	answer, err := c.caller.Do(ctx, wire.Request{Method: http.MethodGet, Path: taskPath(id, "/logs"), Query: q.Values()})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}
