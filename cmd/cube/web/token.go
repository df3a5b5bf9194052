package web

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A token file holds the write token of the server on one port of this
// machine. It lies in the user's own configuration directory with mode 0600, so
// that the same user's CLI finds it by the port, and no other user can read it.
// It is made anew at each start, so that one left behind by a crash opens
// nothing, and removed at the end.

// TokenPath is where the token of the server on this port is kept.
func TokenPath(port string) (string, error) {
	dir, err := configDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "cube", port+".token"), nil
}

// configDir is os.UserConfigDir, but works without HOME too: a service is
// often started without.
func configDir() (string, error) {
	if dir, err := os.UserConfigDir(); err == nil {
		return dir, nil
	}
	who, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("no directory for the write token: neither XDG_CONFIG_HOME nor HOME is set, and %w", err)
	}
	return filepath.Join(who.HomeDir, ".config"), nil
}

// CreateToken writes a new token to the file at path, which only its owner can
// read, and returns it.
func CreateToken(path string) (string, error) {
	token := rand.Text()
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("the write token cannot be kept: %w", err)
	}
	// A new file renamed into place: whoever has the old one open, or set its
	// mode, gets nothing.
	file, err := os.CreateTemp(dir, ".token-*")
	if err != nil {
		return "", fmt.Errorf("the write token cannot be kept: %w", err)
	}
	_, err = file.WriteString(token + "\n")
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("the write token cannot be kept: %w", err), os.Remove(file.Name()))
	}
	return token, nil
}

// ReadToken returns the token in the file at path.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the write token cannot be read: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("the token file %s is empty", path)
	}
	return token, nil
}

// TokenTransport is a RoundTripper that sends the write token along. With File
// set it is that file's, and goes with every request; otherwise it is looked up
// by port for a server on a loopback address, goes with writes only, and a
// missing one is no error. What was found by port is looked up again after a
// second, and at once where the server will not have it. It never goes with a
// request that has authentication of its own.
type TokenTransport struct {
	File string
	Next http.RoundTripper

	mu    sync.Mutex            // guards what follows
	found map[string]foundToken // by port
}

// foundToken is the token of a server on this machine, or that it has none.
type foundToken struct {
	token string
	at    time.Time
}

// tokenRefresh is how old a token may be that was found by port.
const tokenRefresh = time.Second

// RoundTrip implements http.RoundTripper.
func (t *TokenTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if (t.File == "" && isRead(r.Method)) || r.Header.Get("Authorization") != "" {
		return t.Next.RoundTrip(r)
	}
	if t.File != "" {
		token, err := ReadToken(t.File)
		if err != nil {
			return nil, err
		}
		return t.Next.RoundTrip(withBearer(r, token))
	}
	if !isLoopback(r.URL.Hostname()) {
		return t.Next.RoundTrip(r)
	}
	port := portOf(r)
	token, looked, err := t.byPort(port)
	if err != nil {
		return nil, err
	}
	answer, err := t.Next.RoundTrip(withBearer(r, token))
	if err != nil || looked || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	// The server may have been started anew. Who is not let in has done nothing.
	t.forget(port)
	newer, _, err := t.byPort(port)
	again := withBearer(r, newer)
	if err != nil || newer == token || !rewind(again) {
		return answer, nil
	}
	_ = answer.Body.Close()
	return t.Next.RoundTrip(again)
}

// withBearer returns the request with a token; the request itself where there is
// none.
func withBearer(r *http.Request, token string) *http.Request {
	if token == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// rewind gives a request that was sent its body once more.
func rewind(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	if r.GetBody == nil {
		return false
	}
	var err error
	r.Body, err = r.GetBody()
	return err == nil
}

// byPort returns the token of the server on a port of this machine; empty where
// it has none. looked says that its file was read just now.
func (t *TokenTransport) byPort(port string) (token string, looked bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if have, known := t.found[port]; known && time.Since(have.at) < tokenRefresh {
		return have.token, false, nil
	}
	path, err := TokenPath(port)
	if err != nil {
		return "", true, nil //nolint:nilerr // no home: then there is no token to find either
	}
	token, err = ReadToken(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", true, err
	}
	if t.found == nil {
		t.found = map[string]foundToken{}
	}
	t.found[port] = foundToken{token: token, at: time.Now()}
	return token, true, nil
}

func (t *TokenTransport) forget(port string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.found, port)
}

func portOf(r *http.Request) string {
	if port := r.URL.Port(); port != "" {
		return port
	}
	if r.URL.Scheme == "https" {
		return "443"
	}
	return "80"
}

// isLoopback reports whether host, a name or an address, is this machine by
// loopback.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
