package web

import (
	"context"
	"net"
	"net/http"
)

// holder is a connection that can be told to hold back the beginning of an
// answer until the rest is there, so that both go out at once.
type holder interface {
	// hold holds back what is written from now on, while it is little.
	hold()
	// release sends what is held. A failure shows at the next write.
	release()
}

// holderKey is where a request's context has its connection.
type holderKey struct{}

// withHolder is a server's ConnContext. A connection with TLS is none: it hides
// what is below it, and HTTP/2 shares it between requests.
func withHolder(ctx context.Context, c net.Conn) context.Context {
	if h, ok := c.(holder); ok {
		return context.WithValue(ctx, holderKey{}, h)
	}
	return ctx
}

// writeAtOnce writes the whole of an answer. The server's own buffer, of 4 kB,
// would send the header and the beginning first and the rest with another system
// call: through the whole of TCP, and waking the client, twice.
func writeAtOnce(w http.ResponseWriter, r *http.Request, body []byte) {
	if h, ok := r.Context().Value(holderKey{}).(holder); ok {
		h.hold()
		defer h.release()
	}
	_, _ = w.Write(body) // a client that has left needs no answer
}
