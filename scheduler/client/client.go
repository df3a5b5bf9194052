package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"cube/worker/wire"
)

// Client talks to one manager. All methods may be called at the same time.
type Client struct {
	base string // without a slash at the end
	http *http.Client
}

// New returns a client of the manager at baseURL, "http://127.0.0.1:5555". The
// HTTP client carries the credentials; nil is a plain one. It should set
// no overall timeout, since output and changes are streamed: contexts bound the
// calls.
func New(baseURL string, httpClient *http.Client) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("the manager's URL: %w", err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("the manager's URL %q: want http://host:port or https://host:port", baseURL)
	}
	if httpClient == nil {
		httpClient = new(http.Client)
	}
	base.RawQuery, base.Fragment = "", ""
	return &Client{base: strings.TrimSuffix(base.String(), "/"), http: httpClient}, nil
}

// maxAnswer bounds what is read of an answer that is held in memory: a list of
// some hundred thousand tasks.
const maxAnswer = 512 << 20

// do sends a request and returns the answer if it is a success; the caller
// closes its body. body nil sends none.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, header http.Header, body []byte) (*http.Response, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("a request to the manager: %w", err)
	}
	for key, values := range header {
		request.Header[key] = values
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the manager does not answer: %w", err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		defer closeBody(answer)
		return nil, wire.ReadError(answer)
	}
	return answer, nil
}

// ask sends a request and reads the JSON of its answer into v; nil reads none.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, body []byte, v any) (http.Header, error) {
	answer, err := c.do(ctx, method, path, query, nil, body)
	if err != nil {
		return nil, err
	}
	defer closeBody(answer)
	if v == nil {
		return answer.Header, nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(v); err != nil {
		return nil, fmt.Errorf("the manager's answer to %s %s cannot be read: %w", method, path, err)
	}
	return answer.Header, nil
}

// closeBody reads the little that may be left, so that the connection can
// serve the next request, and closes.
func closeBody(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	_ = answer.Body.Close()
}
