package scrape

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counted serves a handler and counts the connections that are made.
func counted(t *testing.T, handle http.HandlerFunc) (base string, made *atomic.Int64) {
	t.Helper()
	made = new(atomic.Int64)
	server := httptest.NewUnstartedServer(handle)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, made
}

func plainClient(t *testing.T) *http.Client {
	t.Helper()
	transport := newPlainTransport(&http.Transport{}, 100)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// echo answers with the method and the body that came in.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
}

// say asks and returns the body.
func say(c *http.Client, method, url, body string) (string, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	answer, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func TestPlainKeepsConnections(t *testing.T) {
	base, made := counted(t, echo)
	c := plainClient(t)
	large := strings.Repeat("x", 100_000)
	for _, tt := range []struct{ method, body, want string }{
		{"GET", "", "GET /a "}, {"POST", "one", "POST /a one"}, {"DELETE", "", ""},
		{"POST", large, "POST /a " + large}, {"HEAD", "", ""}, {"GET", "", "GET /a "},
	} {
		if got, err := say(c, tt.method, base+"/a", tt.body); err != nil || got != tt.want {
			t.Errorf("%s: %.50q, %v; want %.50q", tt.method, got, err, tt.want)
		}
	}
	if n := made.Load(); n != 1 {
		t.Errorf("%d connections; want 1", n)
	}
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			for range 20 {
				want := fmt.Sprintf("POST /%d %d", i, i)
				if got, err := say(c, "POST", fmt.Sprintf("%s/%d", base, i), fmt.Sprint(i)); err != nil || got != want {
					t.Errorf("%q, %v; want %q", got, err, want)
				}
			}
		})
	}
	group.Wait()
}

// A connection that the server has closed meanwhile is not used again, and one
// that breaks under a request is tried anew for what changes nothing.
func TestPlainBrokenConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var asked atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // one answer a connection, and then none to the second request
				defer conn.Close()
				in := bufio.NewReader(conn)
				for n := 0; ; n++ {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					asked.Add(1)
					if n > 0 {
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}()
		}
	}()
	c, base := plainClient(t), "http://"+listener.Addr().String()
	for range 2 {
		if got, err := say(c, "GET", base, ""); err != nil || got != "ok" {
			t.Errorf("GET: %q, %v", got, err)
		}
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times; want the second one repeated", n)
	}
	for _, tt := range []struct{ method, body string }{{"POST", "x"}, {"POST", ""}, {"DELETE", ""}} {
		before := asked.Load()
		if got, err := say(c, tt.method, base, tt.body); err == nil {
			t.Errorf("a %s %q without an answer: %q; want an error, for it may have been acted on", tt.method, tt.body, got)
		}
		if n := asked.Load() - before; n != 1 {
			t.Errorf("a %s %q without an answer was sent %d times; want once", tt.method, tt.body, n)
		}
		if got, err := say(c, "GET", base, ""); err != nil || got != "ok" { // a connection that has been used
			t.Errorf("GET: %q, %v", got, err)
		}
	}
}

func TestPlainEnds(t *testing.T) {
	gone := make(chan struct{}, 10)
	base, made := counted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/header" {
			w.Header().Set("X-Large", strings.Repeat("x", plainMaxHeader))
			return
		}
		if r.URL.Path == "/body" {
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	c := plainClient(t)
	if _, err := say(c, "GET", base+"/header", ""); !errors.Is(err, errLargeHeader) {
		t.Errorf("a large header: %v", err)
	}
	for _, path := range []string{"/head", "/body"} {
		ctx, cancel := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if path == "/head" {
			go cancel()
			if _, err = c.Do(request); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled before the answer: %v", err)
			}
			continue
		}
		answer, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err = io.ReadAll(answer.Body); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled within the answer: %v", err)
		}
		_ = answer.Body.Close()
		<-gone // the server has seen it
	}
	if answer, err := c.Get(base + "/body"); err != nil {
		t.Error(err)
	} else if err := answer.Body.Close(); err != nil { // before its end
		t.Error(err)
	}
	if n := made.Load(); n < 3 {
		t.Errorf("%d connections; want a new one after each that was cut", n)
	}
}
