package scrape

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// plainTransport is an http.RoundTripper of HTTP/1.1 without TLS and proxies; it
// hands everything else on. To a connection that waits for its next request it
// keeps nothing but the socket, where net/http keeps two goroutines and two
// buffers, and a request is written and its answer read by the goroutine that
// asks: at ten thousand workers that is most of what a manager holds, and at
// thousands of requests a second most of what they cost.
//
// A request is sent again only as net/http does it: one that changes nothing, on
// a connection that had been used before and broke before the answer began.
type plainTransport struct {
	next   http.RoundTripper
	dialer net.Dialer
	limit  int // of connections that wait

	readers, writers sync.Pool // buffers of requests under way

	mu    sync.Mutex                // guards what follows
	idle  map[string][]*plainSocket // by address; the last used last
	count int
	swept time.Time
}

// Bounds of a plainTransport.
const (
	plainIdleTimeout = 30 * time.Second
	plainIdlePerHost = 4
	plainMaxHeader   = 64 << 10 // what a hostile worker's headers may cost
	plainMaxInterim  = 5        // answers of 1xx before the real one
)

// plainSocket is a connection, and what is known of it.
type plainSocket struct {
	net.Conn
	address string
	since   time.Time // when it began to wait
	read    int64     // bytes of the present answer
	left    int64     // how many of those there may be now
}

var errLargeHeader = errors.New("the answer's headers are too long")

// Read implements io.Reader.
func (s *plainSocket) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, errLargeHeader
	}
	n, err := s.Conn.Read(p[:min(int64(len(p)), s.left)])
	s.read += int64(n)
	s.left -= int64(n)
	return n, err
}

func newPlainTransport(next http.RoundTripper, limit int) *plainTransport {
	return &plainTransport{
		next: next, dialer: net.Dialer{Timeout: 10 * time.Second}, limit: limit, idle: map[string][]*plainSocket{},
		readers: sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }},
		writers: sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 4<<10) }},
	}
}

// RoundTrip implements http.RoundTripper.
func (t *plainTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" {
		return t.next.RoundTrip(r)
	}
	address := r.URL.Host
	if r.URL.Port() == "" {
		address = net.JoinHostPort(r.URL.Hostname(), "80")
	}
	for {
		s, used, err := t.socket(r.Context(), address)
		if err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return nil, inContext(r.Context(), err)
		}
		answer, err := t.ask(s, r)
		if err == nil {
			return answer, nil
		}
		_ = s.Close()
		if !used || s.read > 0 || r.Context().Err() != nil || !changesNothing(r) {
			return nil, inContext(r.Context(), err)
		}
	}
}

// changesNothing reports whether the request may be sent again.
func changesNothing(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.Body == nil || r.Body == http.NoBody)
}

// inContext is the context's error where that is why something broke.
func inContext(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// ask sends the request and reads the head of its answer.
func (t *plainTransport) ask(s *plainSocket, r *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(r.Context(), func() { _ = s.SetDeadline(time.Unix(1, 0)) })
	if err := t.write(s, r); err != nil {
		stop()
		return nil, err
	}
	in := t.readers.Get().(*bufio.Reader)
	in.Reset(s)
	answer, err := s.readHead(in, r)
	if err != nil {
		stop()
		in.Reset(nil)
		t.readers.Put(in)
		return nil, err
	}
	body := &plainBody{inner: answer.Body, transport: t, socket: s, in: in, stop: stop, ctx: r.Context(), last: answer.Close}
	answer.Body = body
	if answer.ContentLength == 0 || body.inner == http.NoBody {
		body.end(true)
	}
	return answer, nil
}

func (t *plainTransport) write(s *plainSocket, r *http.Request) error {
	out := t.writers.Get().(*bufio.Writer)
	out.Reset(s.Conn)
	err := r.Write(out)
	if err == nil {
		err = out.Flush()
	}
	out.Reset(nil)
	t.writers.Put(out)
	return err
}

// readHead reads status and headers of the answer.
func (s *plainSocket) readHead(in *bufio.Reader, r *http.Request) (*http.Response, error) {
	s.read, s.left = 0, plainMaxHeader
	for range plainMaxInterim {
		answer, err := http.ReadResponse(in, r)
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) && s.read == 0 {
				err = io.EOF
			}
			return nil, err
		}
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			s.left = math.MaxInt64
			return answer, nil
		}
	}
	return nil, errors.New("the answer does not come to its end")
}

// plainBody is the body of an answer. Read to its end, it lets the connection
// wait for the next request; closed before, it closes the connection.
type plainBody struct {
	inner     io.Reader
	transport *plainTransport
	socket    *plainSocket
	in        *bufio.Reader
	stop      func() bool
	ctx       context.Context
	last      bool // the server closes the connection after this answer
	ended     sync.Once
}

// Read implements io.Reader.
func (b *plainBody) Read(p []byte) (int, error) {
	n, err := b.inner.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.end(true)
	default:
		b.end(false)
		err = inContext(b.ctx, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *plainBody) Close() error {
	b.end(false)
	return nil
}

// end gives the connection back or closes it. whole says that the answer was
// read to its end, by the goroutine that calls.
func (b *plainBody) end(whole bool) {
	b.ended.Do(func() {
		uncut := b.stop()
		if !whole {
			_ = b.socket.Close()
			return // somebody may be reading: the buffer is theirs
		}
		clean := b.in.Buffered() == 0
		b.inner = http.NoBody
		b.in.Reset(nil)
		b.transport.readers.Put(b.in)
		if !uncut || !clean || b.last {
			_ = b.socket.Close()
			return
		}
		b.transport.put(b.socket)
	})
}

// socket takes a connection that waits, or makes one.
func (t *plainTransport) socket(ctx context.Context, address string) (s *plainSocket, used bool, err error) {
	for {
		s := t.take(address)
		if s == nil {
			break
		}
		if time.Since(s.since) < plainIdleTimeout && quiet(s.Conn) {
			s.read = 0
			return s, true, nil
		}
		_ = s.Close()
	}
	conn, err := t.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, false, err
	}
	return &plainSocket{Conn: conn, address: address}, false, nil
}

func (t *plainTransport) take(address string) *plainSocket {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := t.idle[address]
	if len(waiting) == 0 {
		return nil
	}
	s := waiting[len(waiting)-1]
	waiting[len(waiting)-1] = nil
	t.idle[address] = waiting[:len(waiting)-1]
	t.count--
	return s
}

// put lets a connection wait, if there is room for it.
func (t *plainTransport) put(s *plainSocket) {
	now := time.Now()
	s.since = now
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.swept) > plainIdleTimeout/2 {
		t.swept = now
		t.sweep(now.Add(-plainIdleTimeout))
	}
	if t.count >= t.limit || len(t.idle[s.address]) >= plainIdlePerHost {
		_ = s.Close()
		return
	}
	t.idle[s.address] = append(t.idle[s.address], s)
	t.count++
}

// sweep closes what has waited since before a time. The caller holds mu.
func (t *plainTransport) sweep(before time.Time) {
	for address, waiting := range t.idle {
		old := 0
		for old < len(waiting) && waiting[old].since.Before(before) {
			_ = waiting[old].Close()
			old++
		}
		t.count -= old
		switch {
		case old == len(waiting):
			delete(t.idle, address)
		case old > 0:
			t.idle[address] = append([]*plainSocket(nil), waiting[old:]...)
		}
	}
}

// CloseIdleConnections closes the connections that wait.
func (t *plainTransport) CloseIdleConnections() {
	t.mu.Lock()
	t.sweep(time.Now().Add(time.Hour))
	t.mu.Unlock()
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
