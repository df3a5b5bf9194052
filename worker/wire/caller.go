package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"cube/worker/task"
)

// Caller sends requests to one server of Cube's and reads its answers: what the
// clients of a worker and of a manager have in common. All methods may be called
// at the same time.
type Caller struct {
	peer string   // "worker" or "manager", for errors
	base *url.URL // without a slash at the end
	http *http.Client
}

// NewCaller returns a caller of the peer ("worker", "manager") at baseURL,
// "http://127.0.0.1:5555". The HTTP client carries credentials and limits; nil
// is a plain one. It should set no overall timeout, since answers can be streams:
// contexts bound the calls.
func NewCaller(peer, baseURL string, httpClient *http.Client) (*Caller, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("the %s's URL: %w", peer, err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("the %s's URL %q: want http://host:port or https://host:port", peer, baseURL)
	}
	if httpClient == nil {
		httpClient = &http.Client{}
	}
	base.RawQuery, base.Fragment = "", ""
	if base, err = url.Parse(strings.TrimSuffix(base.String(), "/")); err != nil {
		return nil, fmt.Errorf("the %s's URL: %w", peer, err)
	}
	return &Caller{peer: peer, base: base, http: httpClient}, nil
}

// Request is one request, below the server's base URL.
type Request struct {
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte // JSON; nil sends none
}

// Do sends a request and returns the answer if it is a success; the caller
// closes its body. A refusal is an [*Error].
func (c *Caller) Do(ctx context.Context, r Request) (*http.Response, error) {
	request, err := c.request(ctx, &r)
	if err != nil {
		return nil, fmt.Errorf("a request to the %s: %w", c.peer, err)
	}
	for key, values := range r.Header {
		request.Header[key] = values
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the %s does not answer: %w", c.peer, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		defer closeBody(answer)
		return nil, ReadError(answer)
	}
	return answer, nil
}

// request makes a request without its headers. The base was parsed once: thousands
// of requests a second need not parse it again.
func (c *Caller) request(ctx context.Context, r *Request) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, "", bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	target := *c.base
	if strings.Contains(target.RawPath+r.Path, "%") {
		parsed, err := url.Parse(c.base.String() + r.Path)
		if err != nil {
			return nil, err
		}
		target = *parsed
	} else {
		target.Path += r.Path
	}
	target.RawQuery = r.Query.Encode()
	request.URL, request.Host = &target, target.Host
	return request, nil
}

// maxAnswer bounds what is read of an answer that is held in memory: a list of
// some hundred thousand tasks.
const maxAnswer = 512 << 20

// Ask sends a request and reads the JSON of its answer into v; nil reads none.
func (c *Caller) Ask(ctx context.Context, r Request, v any) (http.Header, error) {
	answer, err := c.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	defer closeBody(answer)
	if v == nil {
		return answer.Header, nil
	}
	if err := readAnswer(answer, v); err != nil {
		return nil, fmt.Errorf("the %s's answer to %s %s cannot be read: %w", c.peer, r.Method, r.Path, err)
	}
	return answer.Header, nil
}

// maxGrow is how much memory an answer is given for its word alone that it is
// that long.
const maxGrow = 64 << 10

// readAnswer reads an answer's JSON into v.
func readAnswer(answer *http.Response, v any) error {
	var body bytes.Buffer
	body.Grow(int(min(max(answer.ContentLength, 0)+bytes.MinRead, maxGrow)))
	if _, err := body.ReadFrom(io.LimitReader(answer.Body, maxAnswer)); err != nil {
		return err
	}
	switch v := v.(type) {
	case *task.Task:
		if readTask(body.Bytes(), v) {
			return nil
		}
		*v = task.Task{}
	case *[]*task.Task:
		if tasks, ok := readTasks(body.Bytes()); ok {
			*v = tasks
			return nil
		}
	}
	return json.NewDecoder(&body).Decode(v)
}

// closeBody reads the little that may be left, so that the connection can
// serve the next request, and closes.
func closeBody(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	_ = answer.Body.Close()
}
