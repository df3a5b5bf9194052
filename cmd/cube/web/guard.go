package web

import (
	"crypto/subtle"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"cube/worker/wire"
)

// Guard decides which requests reach a handler. The zero value lets pass what
// names a known host, is not cross-origin and, where it writes JSON, says so.
type Guard struct {
	// Hosts are names this server is known by besides IP addresses and
	// localhost; "*" lets every name pass. A web page whose name was bound
	// to 127.0.0.1 (DNS rebinding) is told by its name.
	Hosts []string
	// Token, where not empty, has to come with every write as
	// "Authorization: Bearer TOKEN".
	Token string
	// TokenHint tells a person where the token is; it is part of the answer
	// to a write without one.
	TokenHint string
}

// Wrap returns next behind the guard.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.check(crossOrigin, r); err != nil {
			if err.Code == wire.CodeUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="cube"`)
			}
			wire.WriteError(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Guard) check(crossOrigin *http.CrossOriginProtection, r *http.Request) *wire.Error {
	if !g.knownHost(r.Host) {
		return wire.New(wire.CodeForbiddenHost, "the host %q is not one this server is known by; see --web.allowed-host", r.Host)
	}
	if isRead(r.Method) {
		return nil
	}
	if err := crossOrigin.Check(r); err != nil {
		return wire.New(wire.CodeCrossOrigin, "a page of another origin may not write here: %v", err)
	}
	if g.Token != "" && !g.hasToken(r) {
		return wire.New(wire.CodeUnauthorized, "a write needs the token as \"Authorization: Bearer …\"; %s", g.TokenHint)
	}
	if needsJSON(r) {
		return wire.New(wire.CodeUnsupportedMedia, "the Content-Type is %q; want application/json", r.Header.Get("Content-Type"))
	}
	return nil
}

func isRead(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// needsJSON reports whether the request carries a body that is not declared as
// JSON: the types that a web form can send without asking first are refused.
func needsJSON(r *http.Request) bool {
	if r.Method == http.MethodDelete && r.ContentLength == 0 {
		return false
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err != nil || media != "application/json"
}

func (g *Guard) hasToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") &&
		subtle.ConstantTimeCompare([]byte(token), []byte(g.Token)) == 1
}

// knownHost reports whether the Host header names this server. An address is
// always one: only a name can be bound to another machine's address.
func (g *Guard) knownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, known := range g.Hosts {
		if known == "*" || strings.EqualFold(known, host) {
			return true
		}
	}
	return false
}
