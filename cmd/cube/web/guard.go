package web

import (
	"crypto/subtle"
	"log/slog"
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
	// Roles, where not nil, says who may read and who may write.
	Roles *Roles
	// Passwords says that the server lets only users with a password in, so
	// that the name that comes with a request is true.
	Passwords bool
	// Log takes a line about every write, done or refused; nil takes none.
	Log *slog.Logger
}

// Wrap returns next behind the guard.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, role := g.caller(r)
		if g.Log != nil && !isRead(r.Method) {
			answer := &audited{ResponseWriter: w}
			whole := false
			defer func() { answer.audit(g.Log, who, r, whole) }()
			g.serve(answer, r, role, crossOrigin, next)
			whole = true
			return
		}
		g.serve(w, r, role, crossOrigin, next)
	})
}

func (g *Guard) serve(w http.ResponseWriter, r *http.Request, role Role, crossOrigin *http.CrossOriginProtection, next http.Handler) {
	if err := g.check(crossOrigin, r, role); err != nil {
		if err.Code == wire.CodeUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="cube"`)
		}
		wire.WriteError(w, err)
		return
	}
	next.ServeHTTP(w, r)
}

// caller returns who asks, and what they may do. Without roles, whoever is let
// in may write; the write token is looked at by check.
func (g *Guard) caller(r *http.Request) (who string, role Role) {
	if g.Roles != nil {
		return g.Roles.of(r)
	}
	if user, _, sent := r.BasicAuth(); sent && g.Passwords {
		return "user " + user, RoleWrite
	}
	if certificate := verified(r); certificate != nil {
		return "certificate " + certificate.Subject.CommonName, RoleWrite
	}
	if g.Token != "" && g.hasToken(r) {
		return "token", RoleWrite
	}
	return "anonymous", RoleWrite
}

func (g *Guard) check(crossOrigin *http.CrossOriginProtection, r *http.Request, role Role) *wire.Error {
	if !g.knownHost(r.Host) {
		return wire.New(wire.CodeForbiddenHost, "the host %q is not one this server is known by; see --web.allowed-host", r.Host)
	}
	if isRead(r.Method) {
		return mayRead(role)
	}
	if err := crossOrigin.Check(r); err != nil {
		return wire.New(wire.CodeCrossOrigin, "a page of another origin may not write here: %v", err)
	}
	if err := mayWrite(role); err != nil {
		return err
	}
	if g.Token != "" && !g.hasToken(r) {
		return wire.New(wire.CodeUnauthorized, "a write needs the token as \"Authorization: Bearer …\"; %s", g.TokenHint)
	}
	if needsJSON(r) {
		return wire.New(wire.CodeUnsupportedMedia, "the Content-Type is %q; want application/json", r.Header.Get("Content-Type"))
	}
	return nil
}

func mayRead(role Role) *wire.Error {
	if role == RoleNone {
		return wire.New(wire.CodeUnauthorized, "only who has a role may read here; send a token, a password or a certificate that has one")
	}
	return nil
}

func mayWrite(role Role) *wire.Error {
	switch role {
	case RoleWrite:
		return nil
	case RoleRead:
		return wire.New(wire.CodeForbidden, "who may only read may not write here")
	default:
		return wire.New(wire.CodeUnauthorized, "only who has the role write may write here; send a token, a password or a certificate that has it")
	}
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
