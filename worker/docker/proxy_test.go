package docker_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cube/worker/docker/dockertest"
)

// proxy stands in front of the engine and can be made to fail as an engine
// does that restarts.
type proxy struct {
	host string

	mu      sync.Mutex                             // guards what follows
	down    bool                                   // refuse everything
	lose    string                                 // a request of this path's end is done, its answer lost, and the engine away from then on
	lost    func()                                 // called then, if it is not nil
	keep    string                                 // a request of this path's end is kept on its way
	kept    *keptRequest                           // how it goes on with that
	streams map[context.Context]context.CancelFunc // requests under way
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	engine := dockertest.Client(t)
	dial := engine.Dialer()
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	forward.FlushInterval = -1
	forward.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }

	p := &proxy{host: "unix://" + filepath.Join(t.TempDir(), "engine.sock"), streams: make(map[context.Context]context.CancelFunc)}
	listener, err := net.Listen("unix", strings.TrimPrefix(p.host, "unix://"))
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	server := httptest.NewUnstartedServer(p.cuttable(forward))
	server.Listener = listener
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(func() {
		p.cut(true)
		server.Close()
	})
	return p
}

// cuttable forwards until the proxy is told to cut.
func (p *proxy) cuttable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		down, lose, kept := p.enter(ctx, cancel, r.URL.Path)
		defer p.leave(ctx)
		switch {
		case kept != nil:
			kept.pass(next, r)
			panic(http.ErrAbortHandler)
		case down:
			panic(http.ErrAbortHandler) // the connection breaks without an answer
		case lose:
			next.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
			p.loss()
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (p *proxy) enter(ctx context.Context, cancel context.CancelFunc, path string) (down, lose bool, kept *keptRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[ctx] = cancel
	if p.keep != "" && strings.HasSuffix(path, p.keep) {
		p.keep = ""
		return false, false, p.kept
	}
	if p.lose != "" && strings.HasSuffix(path, p.lose) && !p.down {
		p.lose = ""
		return false, true, nil
	}
	return p.down, false, nil
}

// keptRequest is a request that whoever sent it no longer waits for, on its way
// to the engine.
type keptRequest struct {
	sent   chan struct{} // closed when the proxy has it
	onward chan struct{} // closed when it is to go on
	answer chan int      // the engine's status in the end
}

// keeping has the next request of that path kept on its way, whether or not who
// sent it still waits for the answer, which nobody gets.
func (p *proxy) keeping(path string) *keptRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep, p.kept = path, &keptRequest{sent: make(chan struct{}), onward: make(chan struct{}), answer: make(chan int, 1)}
	return p.kept
}

func (k *keptRequest) pass(next http.Handler, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	close(k.sent)
	<-k.onward
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	k.answer <- answer.Code
}

// goOn lets the request go on, and returns the engine's status.
func (k *keptRequest) goOn() int {
	close(k.onward)
	return <-k.answer
}

func (p *proxy) leave(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.streams, ctx)
}

// losing has the answer to the next request of that path lost, and the engine
// away from then on. The caller may want to be told.
func (p *proxy) losing(path string, lost func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose, p.lost = path, lost
}

func (p *proxy) loss() {
	p.mu.Lock()
	lost := p.lost
	p.mu.Unlock()
	if lost != nil {
		lost()
	}
	p.cut(true)
}

// cut breaks all that is under way, and has the engine away from then on or
// back.
func (p *proxy) cut(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	for _, cancel := range p.streams {
		cancel()
	}
}
