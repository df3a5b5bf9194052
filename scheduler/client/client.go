package client

import (
	"context"
	"net/http"
	"net/url"

	"cube/worker/wire"
)

// Client talks to one manager. All methods may be called at the same time.
type Client struct{ caller *wire.Caller }

// New returns a client of the manager at baseURL, "http://127.0.0.1:5555". The
// HTTP client carries the credentials; nil is a plain one. It should set
// no overall timeout, since output and changes are streamed: contexts bound the
// calls.
func New(baseURL string, httpClient *http.Client) (*Client, error) {
	caller, err := wire.NewCaller("manager", baseURL, httpClient)
	if err != nil {
		return nil, err
	}
	return &Client{caller: caller}, nil
}

// ask sends a request and reads the JSON of its answer into v; nil reads none.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, body []byte, v any) (http.Header, error) {
	return c.caller.Ask(ctx, wire.Request{Method: method, Path: path, Query: query, Body: body}, v)
}
