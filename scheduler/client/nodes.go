package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"cube/worker/wire"
)

// Nodes lists the nodes by name, with what was measured there.
func (c *Client) Nodes(ctx context.Context) ([]wire.Node, error) {
	nodes := []wire.Node{}
	_, err := c.ask(ctx, http.MethodGet, "/nodes", nil, nil, &nodes)
	return nodes, err
}

// Join makes a worker known to the manager. Joined again under the same name,
// its URL and labels are brought up to date.
func (c *Client) Join(ctx context.Context, join wire.Join) (wire.Node, error) {
	body, err := json.Marshal(join)
	if err != nil {
		return wire.Node{}, fmt.Errorf("the node cannot be written as JSON: %w", err)
	}
	var node wire.Node
	_, err = c.ask(ctx, http.MethodPost, "/nodes", nil, body, &node)
	return node, err
}
