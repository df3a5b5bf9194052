package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

// engine starts containers by the Docker Engine's API, two requests for each: what
// the runtime itself takes, without the docker command's own start.
type engine struct {
	image string
	http  *http.Client

	mu      sync.Mutex // guards started
	started []string
}

// newEngine talks to the engine at the socket that the environment names.
func newEngine(image string) *engine {
	socket := "/var/run/docker.sock"
	if path, is := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://"); is {
		socket = path
	}
	return &engine{image: image, http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: sideBySide,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
}

func (e *engine) start(ctx context.Context, n int) error {
	return each(n, func(int) error {
		var made struct{ ID string }
		err := e.ask(ctx, http.MethodPost, "/containers/create", map[string]any{
			"Image": e.image, "Cmd": []string{"forever"}, "HostConfig": map[string]any{"Memory": taskMemory, "MemorySwap": taskMemory},
		}, &made)
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.started = append(e.started, made.ID)
		e.mu.Unlock()
		return e.ask(ctx, http.MethodPost, "/containers/"+made.ID+"/start", nil, nil)
	})
}

func (e *engine) clear() error {
	started := e.started
	e.started = nil
	return each(len(started), func(i int) error {
		return e.ask(context.Background(), http.MethodDelete, "/containers/"+started[i]+"?force=1", nil, nil)
	})
}

// ask sends a request and reads its answer into v; nil reads none.
func (e *engine) ask(ctx context.Context, method, path string, body, v any) (err error) {
	text := []byte{}
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := e.http.Do(request)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the engine answers %s %s with %s: %s", method, path, response.Status, answer)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(answer, v)
}
