package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cube/worker/wire"
)

// authority issues certificates for a test.
type authority struct {
	t           *testing.T
	dir         string
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	issued      int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue writes NAME.crt and NAME.key; the first one is the authority's own.
func (a *authority) issue(name string, template *x509.Certificate) {
	a.t.Helper()
	must := func(err error) {
		a.t.Helper()
		if err != nil {
			a.t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	a.issued++
	template.SerialNumber = big.NewInt(a.issued)
	template.Subject.CommonName = name
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	must(err)
	if a.certificate == nil {
		a.key = key
		a.certificate, err = x509.ParseCertificate(der)
		must(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	a.write(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	a.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func (a *authority) write(name, text string) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// swordfish is the password "swordfish", hashed with bcrypt at its least cost.
const swordfish = "$2a$04$I10o0GG8JtNlUDpZdJnkjezfgTKF/wwo6nW2xnj3Y0sJctaR26XMy"

// TestTLSClientCertificatesAndBasicAuth: a manager and a worker that let in only
// who has a certificate and the password. The manager scrapes the worker and
// gives it a task, and the CLI asks the manager, all with both; nobody gets
// anything with less.
func TestTLSClientCertificatesAndBasicAuth(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	a.issue("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	server := a.write("web.yml", fmt.Sprintf(`
tls_server_config: {cert_file: server.crt, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}
basic_auth_users: {cube: %s}
`, swordfish))
	config := func(name, password string) string {
		return a.write(name, fmt.Sprintf(`
tls_config: {ca_file: ca.crt, cert_file: client.crt, key_file: client.key}
basic_auth: {username: cube, password: %s}
`, password))
	}
	good, bad := config("good.yml", "swordfish"), config("bad.yml", "marlin")

	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	start := func(args ...string) (*program, string) {
		p := startCube(t, env, append(args, "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--web.config.file="+server)...)
		return p, p.await(`is serving.*url=(https://[^ "]+)`, 30*time.Second)
	}
	_, worker := start("worker", "--runtime=process")
	m, manager := start("manager", "--worker="+worker, "--worker.http-config.file="+good, "--scrape.interval=1s")

	t.Run("scrape and place", func(t *testing.T) {
		ask := []string{"--manager=" + manager, "--http-config.file=" + good}
		until(t, 30*time.Second, "the node is ready", func() bool {
			out, _, code := cube(t, env, append([]string{"nodes", "--output=json"}, ask...)...)
			return code == 0 && strings.Contains(out, `"ready"`)
		})
		mustCube(t, env, append(append([]string{"run", "--name=greeting"}, ask...), "--", "sh", "-c", "echo well met")...)
		until(t, 30*time.Second, "the task's output", func() bool {
			out, _, code := cube(t, env, append([]string{"logs", "greeting"}, ask...)...)
			return code == 0 && strings.Contains(out, "well met")
		})
	})
	t.Run("many at once", func(t *testing.T) {
		out := mustCube(t, env, "run", "--count=3", "--name=many", "--manager="+manager, "--http-config.file="+good, "--output=json", "--", "true")
		var placed []wire.PlacedTask
		fromJSON(t, out, &placed)
		ids := map[string]bool{}
		for _, p := range placed {
			ids[p.ID.String()] = p.Name == "many" && p.Node != ""
		}
		if len(placed) != 3 || len(ids) != 3 || !ids[placed[0].ID.String()] {
			t.Errorf("three tasks are %s", out)
		}
	})
	t.Run("who may not", func(t *testing.T) {
		_, said, code := cube(t, env, "nodes", "--manager="+manager, "--http-config.file="+bad)
		if code == 0 || !strings.Contains(said, "401") {
			t.Errorf("the CLI with a wrong password: status %d, %s", code, said)
		}
		for name, test := range map[string]struct {
			user, password string
			certificate    bool
			status         int // 0: no answer
		}{
			"all of it":      {"cube", "swordfish", true, 200},
			"wrong password": {"cube", "marlin", true, 401},
			"no password":    {"", "", true, 401},
			"no certificate": {"cube", "swordfish", false, 0},
		} {
			for _, path := range []string{"/metrics", "/tasks", "/stats", "/-/healthy"} {
				status, err := a.get(worker+path, test.user, test.password, test.certificate)
				if status != test.status || (err != nil) != (test.status == 0) {
					t.Errorf("%s, %s: %d, %v; want %d", name, path, status, err, test.status)
				}
			}
		}
		if status, err := a.get(strings.Replace(worker, "https", "http", 1)+"/metrics", "cube", "swordfish", true); err == nil && status != http.StatusBadRequest {
			t.Errorf("without TLS: %d", status)
		}
	})
	if output := m.output(); strings.Contains(output, "swordfish") {
		t.Errorf("the log has the password:\n%s", output)
	}
}

// marlin is the password "marlin", hashed at the usual cost of 10.
const marlin = "$2a$10$3fi2tzd6EZsG0WLi.bKe5.6yIxSEkse0t1ZstR70WOtTQbCPKLAxC"

// exporter-toolkit#31: a password's hash takes 50 ms of CPU, and is reckoned once, not at every scrape.
func TestScrapesWithAPasswordCostOneHash(t *testing.T) {
	config := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(config, []byte("basic_auth_users: {cube: "+marlin+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := startCube(t, []string{"XDG_CONFIG_HOME=" + t.TempDir()}, "worker", "--runtime=process",
		"--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--web.config.file="+config)
	page := w.url() + "/metrics"
	client := &http.Client{Timeout: 30 * time.Second}
	var took []time.Duration
	for range 31 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("cube", "marlin")
		begin := time.Now()
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s, %v", response.Status, err)
		}
		took = append(took, time.Since(begin))
	}
	first, later := took[0], took[1:]
	slices.Sort(later)
	if usual := later[len(later)/2]; usual > first/2 {
		t.Errorf("the first scrape took %v, later ones %v", first, usual)
	}
}

// get asks as a client of the authority, with a certificate or without one.
func (a *authority) get(url, user, password string, certificate bool) (status int, err error) {
	a.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	config := &tls.Config{RootCAs: roots}
	if certificate {
		pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, "client.crt"), filepath.Join(a.dir, "client.key"))
		if err != nil {
			a.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
