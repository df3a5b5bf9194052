package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cube/worker/wire"
)

// way is how somebody proves who they are: what the servers are told, and what
// manager, worker, operator and auditor come with.
type way struct {
	scheme     string
	web, roles string // of both servers; web is empty for none
	// client is the http_config of somebody; nobody is that of a stranger.
	client func(name string) string
	nobody string
	says   string // what a stranger is told
	kind   string // as the audit names them
	// rotate changes the secrets on disk.
	rotate func(t *testing.T)
}

// callers are who asks, and what they may do: manager and worker write to each
// other, the operator writes, the auditor reads.
var callers = map[string]string{"manager": "write", "worker": "write", "operator": "write", "auditor": "read"}

// TestRolesBothWays: the worker joins the manager, the manager scrapes the worker
// and gives it tasks, an operator asks for them, and an auditor may only look:
// by tokens, by passwords and by certificates. Secrets are changed while all of
// them run.
func TestRolesBothWays(t *testing.T) {
	t.Parallel()
	t.Run("tokens", func(t *testing.T) { tokenWay(t).try(t) })
	t.Run("passwords", func(t *testing.T) { passwordWay(t).try(t) })
	t.Run("certificates", func(t *testing.T) { certificateWay(t).try(t) })
}

func tokenWay(t *testing.T) *way {
	dir := t.TempDir()
	roles := "tokens:\n"
	for name, role := range callers {
		roles += fmt.Sprintf("  - {name: %s, role: %s, file: %s.token}\n", name, role, name)
	}
	put := func(suffix string) {
		for name := range callers {
			putFile(t, dir, name+".token", "the-token-of-"+name+suffix)
		}
	}
	put("")
	return &way{
		scheme: "http", roles: putFile(t, dir, "roles.yml", roles), kind: "token", says: "only who has",
		client: func(name string) string {
			return putFile(t, dir, name+".yml", "authorization: {credentials_file: "+filepath.Join(dir, name+".token")+"}")
		},
		nobody: putFile(t, dir, "nobody.yml", "authorization: {credentials: the-token-of-nobody-at-all}"),
		rotate: func(*testing.T) { put(", another") },
	}
}

func passwordWay(t *testing.T) *way {
	dir := t.TempDir()
	put := func(hash, password string) string {
		users, roles := "basic_auth_users:\n", "basic_auth_users:\n"
		for name, role := range callers {
			users += fmt.Sprintf("  %s: %s\n", name, hash)
			roles += fmt.Sprintf("  %s: %s\n", name, role)
		}
		putFile(t, dir, "password", password)
		putFile(t, dir, "roles.yml", roles)
		return putFile(t, dir, "web.yml", users)
	}
	web := put(swordfish, "swordfish")
	return &way{
		scheme: "http", web: web, roles: filepath.Join(dir, "roles.yml"), kind: "user", says: "401",
		client: func(name string) string {
			return putFile(t, dir, name+".yml", "basic_auth: {username: "+name+", password_file: "+filepath.Join(dir, "password")+"}")
		},
		nobody: putFile(t, dir, "nobody.yml", "basic_auth: {username: operator, password: guess}"),
		rotate: func(*testing.T) { put(marlin, "marlin") },
	}
}

// certificateWay names the manager by its common name, the worker by an
// alternative one, people by their units.
func certificateWay(t *testing.T) *way {
	a := newAuthority(t)
	issue := func(name string) {
		template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		switch name {
		case "worker":
			template.DNSNames = []string{"worker.example"}
		case "operator", "auditor":
			template.Subject = pkix.Name{OrganizationalUnit: []string{name + "s"}}
		}
		a.issue(name, template)
	}
	server := func() {
		a.issue("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	}
	server()
	for name := range callers {
		issue(name)
	}
	issue("stranger")
	client := func(name string) string {
		return a.write(name+".yml", fmt.Sprintf("tls_config: {ca_file: ca.crt, cert_file: %s.crt, key_file: %s.key}", name, name))
	}
	return &way{
		scheme: "https", kind: "certificate", says: "only who has",
		web: a.write("web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}"),
		roles: a.write("roles.yml", `
client_certificates:
  - {name: manager, role: write}
  - {name: worker.example, role: write}
  - {organizational_unit: operators, role: write}
  - {organizational_unit: auditors, role: read}
`),
		client: client, nobody: client("stranger"),
		rotate: func(*testing.T) {
			server()
			for name := range callers {
				issue(name)
			}
		},
	}
}

func putFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	// Renamed into place: who reads it meanwhile reads one or the other.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *way) try(t *testing.T) {
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	start := func(args ...string) (*program, string) {
		args = append(args, "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--web.roles-file="+w.roles)
		if w.web != "" {
			args = append(args, "--web.config.file="+w.web)
		}
		p := startCube(t, env, args...)
		return p, p.await(`is serving.*url=(`+w.scheme+`://[^ "]+)`, 60*time.Second)
	}
	m, manager := start("manager", "--worker.http-config.file="+w.client("manager"), "--scrape.interval=1s")
	worker, workerURL := start("worker", "--runtime=process", "--drain", "--join="+manager, "--manager.http-config.file="+w.client("worker"))
	as := func(config string, args ...string) (string, string, int) {
		flags := []string{"--manager=" + manager, "--http-config.file=" + config}
		return cube(t, env, append(append([]string{args[0]}, flags...), args[1:]...)...)
	}
	operator, auditor := w.client("operator"), w.client("auditor")
	run := func(name string) {
		t.Helper()
		until(t, 60*time.Second, name+" has run", func() bool {
			if out, _, code := as(operator, "logs", name); code == 0 && strings.Contains(out, "well met") {
				return true
			}
			_, _, _ = as(operator, "run", "--name="+name, "--", "sh", "-c", "echo well met")
			return false
		})
	}
	until(t, 60*time.Second, "the worker has joined and is read", func() bool {
		out, _, code := as(auditor, "nodes", "--output=json")
		return code == 0 && strings.Contains(out, `"ready"`)
	})
	run("before")
	w.refused(t, as, auditor)
	for _, command := range [][]string{{"nodes"}, {"run", "--", "true"}} {
		if _, said, code := as(w.nobody, command...); code == 0 || !strings.Contains(said, w.says) {
			t.Errorf("a stranger's %v: status %d, %s; want it to say %q", command, code, said, w.says)
		}
	}
	for _, line := range []string{
		`msg=audit who="` + w.kind + ` operator" from=127\.0\.0\.1:\d+ method=POST path=/tasks outcome=Created status=201 made=/tasks/`,
		`msg=audit who="` + w.kind + ` auditor" from=127\.0\.0\.1:\d+ method=POST path=/tasks outcome=Forbidden status=403`,
		`msg=audit who="` + w.kind + ` worker" from=127\.0\.0\.1:\d+ method=POST path=/nodes outcome=(OK|Created)`,
	} {
		m.await(line, 10*time.Second)
	}
	worker.await(`msg=audit who="`+w.kind+` manager" from=127\.0\.0\.1:\d+ method=POST path=/tasks outcome=Created status=201`, 10*time.Second)
	w.rotate(t)
	run("after")
	for _, p := range []*program{m, worker} {
		for _, secret := range []string{"the-token-of", "swordfish", "marlin"} {
			if strings.Contains(p.output(), secret) {
				t.Errorf("a log has a secret:\n%s", p.output())
			}
		}
	}
	if response, err := (&http.Client{Timeout: 30 * time.Second}).Get(workerURL + "/tasks"); err == nil {
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("somebody with nothing at all reads the worker: %s", response.Status)
		}
	}
}

// refused: an auditor may look, and no more.
func (w *way) refused(t *testing.T, as func(string, ...string) (string, string, int), auditor string) {
	t.Helper()
	if out, said, code := as(auditor, "ps", "--all"); code != 0 || !strings.Contains(out, "before") {
		t.Errorf("the auditor's ps: status %d, %s%s", code, out, said)
	}
	for _, command := range [][]string{{"run", "--", "true"}, {"stop", "before"}, {"backup", filepath.Join(t.TempDir(), "copy")}} {
		if _, said, code := as(auditor, command...); code == 0 || !strings.Contains(said, "may only read") {
			t.Errorf("the auditor's %v: status %d, %s; want it %s", command, code, said, wire.CodeForbidden)
		}
	}
}
