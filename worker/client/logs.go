package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// LogQuery narrows a task's output.
type LogQuery struct {
	Follow bool      // go on until the run ends or the context does
	Tail   int       // the last so many lines; negative: all
	Since  time.Time // zero: from the beginning
	Stdout bool      // neither set means both
	Stderr bool
}

// Values returns the query as it stands in a URL.
func (q LogQuery) Values() url.Values {
	values := url.Values{}
	if q.Follow {
		values.Set("follow", "1")
	}
	if q.Tail >= 0 {
		values.Set("tail", strconv.Itoa(q.Tail))
	}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if q.Stdout {
		values.Set("stdout", "1")
	}
	if q.Stderr {
		values.Set("stderr", "1")
	}
	return values
}

// Logs returns the output of a task's present or last run as it is streamed;
// the caller closes it.
func (c *Client) Logs(ctx context.Context, id uuid.UUID, q LogQuery) (io.ReadCloser, error) {
	answer, err := c.do(ctx, http.MethodGet, taskPath(id, "/logs"), q.Values(), nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}
