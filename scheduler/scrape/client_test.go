package scrape

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/config"
)

// authority signs certificates in tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{}
	a.cert, a.key, a.pem, _ = issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// issue makes a key and a certificate for it, signed by a; by itself without one.
func issue(t *testing.T, a *authority, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// server starts an HTTPS server with a certificate for 127.0.0.1; with clients
// it demands certificates that they signed.
func (a authority) server(t *testing.T, h http.Handler, clients *authority) *httptest.Server {
	t.Helper()
	_, _, certPEM, keyPEM := issue(t, &a, &x509.Certificate{
		Subject: pkix.Name{CommonName: "worker"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		s.TLS.ClientCAs = x509.NewCertPool()
		s.TLS.ClientCAs.AddCert(clients.cert)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are expected
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (a authority) client(t *testing.T, name string) (certPEM, keyPEM []byte) {
	t.Helper()
	_, _, certPEM, keyPEM = issue(t, &a, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return certPEM, keyPEM
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	// Renamed into place: a reader sees the old or the new one.
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// clientFor makes a client from a configuration as it stands in a file, with
// DIR for the directory of the test.
func clientFor(t *testing.T, dir, yaml string) *http.Client {
	t.Helper()
	c, err := config.LoadHTTPConfig(strings.ReplaceAll(yaml, "DIR", dir))
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(t.Context(), *c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// get returns the status of a request, or the error.
func get(t *testing.T, client *http.Client, url string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// eventually asks until what is wanted came, for ten times as long as a changed
// file may take.
func eventually(t *testing.T, what string, wanted func() bool) {
	t.Helper()
	ticker := time.NewTicker(reloadEvery / 20)
	defer ticker.Stop()
	for range 200 {
		if wanted() {
			return
		}
		<-ticker.C
	}
	t.Fatalf("%s: not within %s", what, 10*reloadEvery)
}

func TestCredentialsAreReloaded(t *testing.T) {
	basic := func(password string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			user, got, ok := r.BasicAuth()
			return ok && user == "manager" && got == password
		}
	}
	bearer := func(token string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+token }
	}
	for name, test := range map[string]struct {
		yaml   string
		accept func(secret string) func(*http.Request) bool
	}{
		"basic auth":    {"basic_auth: {username: manager, password_file: DIR/secret}", basic},
		"bearer token":  {"authorization: {credentials_file: DIR/secret}", bearer},
		"old-style one": {"bearer_token_file: DIR/secret", bearer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "secret")
			write(t, file, []byte("one\n"))
			var wanted atomic.Value
			wanted.Store("one")
			srv := server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !test.accept(wanted.Load().(string))(r) {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			client := clientFor(t, dir, test.yaml)
			if status, err := get(t, client, srv.URL); status != http.StatusOK {
				t.Fatalf("with the first secret: %d, %v", status, err)
			}
			wanted.Store("two")
			if status, err := get(t, client, srv.URL); status != http.StatusUnauthorized {
				t.Fatalf("with a secret that is no longer good: %d, %v", status, err)
			}
			write(t, file, []byte("two\n"))
			eventually(t, "the new secret", func() bool {
				status, err := get(t, client, srv.URL)
				return err == nil && status == http.StatusOK
			})
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a secret that was taken away", func() bool {
				_, err := get(t, client, srv.URL)
				return err != nil && !strings.Contains(err.Error(), "two")
			})
		})
	}
}

func TestAuthorityIsReloaded(t *testing.T) {
	t.Parallel()
	dir, first, second := t.TempDir(), newAuthority(t), newAuthority(t)
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	before, after := first.server(t, ok, nil), second.server(t, ok, nil)
	file := filepath.Join(dir, "ca.pem")
	write(t, file, first.pem)
	client := clientFor(t, dir, "tls_config: {ca_file: DIR/ca.pem}")
	if status, err := get(t, client, before.URL); status != http.StatusOK {
		t.Fatalf("the authority that is known: %d, %v", status, err)
	}
	if _, err := get(t, client, after.URL); err == nil {
		t.Fatal("an authority that is not known was trusted")
	}
	write(t, file, second.pem)
	eventually(t, "the new authority", func() bool {
		status, err := get(t, client, after.URL)
		return err == nil && status == http.StatusOK
	})
	if _, err := get(t, client, before.URL); err == nil {
		t.Error("the old authority is trusted still")
	}
}

func TestClientCertificateIsReloaded(t *testing.T) {
	t.Parallel()
	dir, a := t.TempDir(), newAuthority(t)
	var seen atomic.Value
	srv := a.server(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen.Store(r.TLS.PeerCertificates[0].Subject.CommonName)
	}), &a)
	install := func(name string) {
		cert, key := a.client(t, name)
		write(t, filepath.Join(dir, "cert.pem"), cert)
		write(t, filepath.Join(dir, "key.pem"), key)
	}
	write(t, filepath.Join(dir, "ca.pem"), a.pem)
	install("manager-1")
	client := clientFor(t, dir, "tls_config: {ca_file: DIR/ca.pem, cert_file: DIR/cert.pem, key_file: DIR/key.pem}")
	if status, err := get(t, client, srv.URL); status != http.StatusOK || seen.Load() != "manager-1" {
		t.Fatalf("got %d, %v as %v", status, err, seen.Load())
	}
	install("manager-2")
	eventually(t, "the new certificate", func() bool {
		_, err := get(t, client, srv.URL)
		return err == nil && seen.Load() == "manager-2"
	})
	if _, err := get(t, clientFor(t, dir, "tls_config: {ca_file: DIR/ca.pem}"), srv.URL); err == nil {
		t.Error("a client without a certificate got in")
	}
}

// Over HTTP/2 a page has frames instead of a length; it is whole or an error.
func TestScrapeOverHTTP2(t *testing.T) {
	t.Parallel()
	dir, a := t.TempDir(), newAuthority(t)
	write(t, filepath.Join(dir, "ca.pem"), a.pem)
	var cutOff atomic.Bool
	var proto atomic.Value
	srv := a.server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		handler(func() string { return workerPage(noon, 20) }).ServeHTTP(w, r)
		if cutOff.Load() {
			panic(http.ErrAbortHandler)
		}
	}), nil)
	client := clientFor(t, dir, "tls_config: {ca_file: DIR/ca.pem}")
	s := newSink()
	result := scrapeOnce(t, configFor(t, client, s), s, Target{Node: "w1", URL: srv.URL})
	if result.Err != nil || len(result.Reading.Tasks) != 20 || proto.Load() != "HTTP/2.0" {
		t.Errorf("got %+v by %v", result, proto.Load())
	}
	cutOff.Store(true)
	s = newSink()
	failure := failureOf(t, scrapeOnce(t, configFor(t, client, s), s, Target{Node: "w1", URL: srv.URL}))
	if failure.Outcome != Unreachable && failure.Outcome != BadPage {
		t.Errorf("a page cut off: %v", failure)
	}
}

func TestClientRefusals(t *testing.T) {
	secretReference := config.Secret("x")
	for name, test := range map[string]struct {
		config config.HTTPClientConfig
		says   string
	}{
		"two ways at once": {config.HTTPClientConfig{BearerToken: secretReference, BearerTokenFile: "f"}, "at most one of"},
		"oauth2":           {config.HTTPClientConfig{OAuth2: &config.OAuth2{ClientID: "a", TokenURL: "http://t", ClientSecret: "s"}}, "oauth2"},
		"secret manager":   {config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", PasswordRef: "r"}}, "secret manager"},
		"no authority":     {config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: "/there/is/none"}}, "/there/is/none"},
	} {
		if _, err := NewClient(t.Context(), test.config); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v; want %q", name, err, test.says)
		}
	}
}

func TestRedirectsAreTheConfigurations(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/here", http.RedirectHandler("/there", http.StatusFound))
	mux.HandleFunc("/there", func(http.ResponseWriter, *http.Request) {})
	srv := server(t, mux)
	for yaml, want := range map[string]int{"follow_redirects: true": http.StatusOK, "follow_redirects: false": http.StatusFound} {
		if status, err := get(t, clientFor(t, "", yaml), srv.URL+"/here"); status != want {
			t.Errorf("%s: got %d, %v; want %d", yaml, status, err, want)
		}
	}
}

func TestIdleConnectionsLeaveRoom(t *testing.T) {
	for files, want := range map[uint64]int{0: 1, 1024: 819, 20_000: 16_000, 1 << 20: 100_000, 1<<64 - 1: 100_000} {
		if got := idleWithin(files); got != want {
			t.Errorf("of %d files %d may be idle connections; want %d", files, got, want)
		}
	}
	transport := newTransport(config.DefaultHTTPClientConfig, nil, 3)
	if transport.MaxIdleConns != 3 {
		t.Errorf("the transport keeps %d", transport.MaxIdleConns)
	}
}
