package docker_test

import (
	"context"
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
		down, lose := p.enter(ctx, cancel, r.URL.Path)
		defer p.leave(ctx)
		switch {
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

func (p *proxy) enter(ctx context.Context, cancel context.CancelFunc, path string) (down, lose bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[ctx] = cancel
	if p.lose != "" && strings.HasSuffix(path, p.lose) && !p.down {
		p.lose = ""
		return false, true
	}
	return p.down, false
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
