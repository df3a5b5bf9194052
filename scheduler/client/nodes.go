package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"cube/worker/task"
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

// Node returns one node. An unknown one is a [*wire.Error] with the code
// not_found.
func (c *Client) Node(ctx context.Context, name string) (wire.Node, error) {
	var node wire.Node
	_, err := c.ask(ctx, http.MethodGet, nodePath(name, ""), nil, nil, &node)
	return node, err
}

// Drain has a node take no new tasks. With a moveWithin above 0 its tasks with a
// restart policy are moved elsewhere: one by one as long as that lasts, and
// what is left then all at once.
func (c *Client) Drain(ctx context.Context, name string, moveWithin time.Duration) (wire.Node, error) {
	body, err := json.Marshal(wire.Drain{MoveWithin: task.Duration(moveWithin)})
	if err != nil {
		return wire.Node{}, fmt.Errorf("the request cannot be written as JSON: %w", err)
	}
	var node wire.Node
	_, err = c.ask(ctx, http.MethodPost, nodePath(name, "/drain"), nil, body, &node)
	return node, err
}

// Resume has a draining node take tasks again.
func (c *Client) Resume(ctx context.Context, name string) (wire.Node, error) {
	var node wire.Node
	_, err := c.ask(ctx, http.MethodPost, nodePath(name, "/resume"), nil, []byte("{}"), &node)
	return node, err
}

// RemoveNode takes a node out of the fleet. One with live tasks is refused
// unless force is set: then they are placed anew at once.
func (c *Client) RemoveNode(ctx context.Context, name string, force bool) error {
	query := url.Values{}
	if force {
		query.Set("force", "1")
	}
	_, err := c.ask(ctx, http.MethodDelete, nodePath(name, ""), query, nil, nil)
	return err
}

func nodePath(name, rest string) string { return "/nodes/" + url.PathEscape(name) + rest }
