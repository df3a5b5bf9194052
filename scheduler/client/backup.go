package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"cube/worker/wire"
)

// Backup writes a copy of the manager's store, taken while it is in use, and
// returns how many bytes that were. On an error the copy is not whole.
func (c *Client) Backup(ctx context.Context, to io.Writer) (int64, error) {
	answer, err := c.caller.Do(ctx, wire.Request{Method: http.MethodPost, Path: "/backup", Body: []byte("{}")})
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	written, err := io.Copy(to, answer.Body)
	if err != nil {
		return written, fmt.Errorf("the backup broke off: %w", err)
	}
	return written, nil
}
