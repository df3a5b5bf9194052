package web

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cube/worker/wire"
)

// The passwords are hashed, and nobody knows them: these tests stand behind the
// check of the password.
const somePasswords = `
basic_auth_users: {grafana: "$2a$04$I10o0GG8JtNlUDpZdJnkjezfgTKF/wwo6nW2xnj3Y0sJctaR26XMy", admin: "$2a$04$I10o0GG8JtNlUDpZdJnkjezfgTKF/wwo6nW2xnj3Y0sJctaR26XMy", guest: "$2a$04$I10o0GG8JtNlUDpZdJnkjezfgTKF/wwo6nW2xnj3Y0sJctaR26XMy"}
tls_server_config: {cert_file: none, key_file: none, client_ca_file: none, client_auth_type: VerifyClientCertIfGiven}
`

const someRoles = `
tokens:
  - {name: prometheus, role: read, file: prometheus.token}
  - {name: deploy, role: write, file: deploy.token}
basic_auth_users: {grafana: read, admin: write}
client_certificates:
  - {name: manager, role: write}
  - {name: alias.example, role: read}
  - {name: "spiffe://fleet/monitor", role: read}
  - {organizational_unit: operators, role: write}
`

const (
	readToken  = "a-token-that-may-read"
	writeToken = "a-token-that-may-write"
)

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rolesIn writes the files of these roles and passwords, and opens them.
func rolesIn(t *testing.T, dir string, log *slog.Logger) *Roles {
	t.Helper()
	put(t, dir, "prometheus.token", readToken+"\n")
	put(t, dir, "deploy.token", writeToken)
	roles, err := OpenRoles(put(t, dir, "roles.yml", someRoles), put(t, dir, "web.yml", somePasswords), log)
	if err != nil {
		t.Fatal(err)
	}
	return roles
}

func certificateOf(name, unit string, also ...string) *tls.ConnectionState {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: name, OrganizationalUnit: []string{unit}}}
	for _, text := range also {
		if uri, err := url.Parse(text); err == nil && uri.Scheme != "" {
			c.URIs = append(c.URIs, uri)
		} else {
			c.DNSNames = append(c.DNSNames, text)
		}
	}
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
}

// Who asks for a read and for a write, and what each gets.
func TestRoles(t *testing.T) {
	unverified := certificateOf("manager", "operators")
	unverified.VerifiedChains = nil
	var log bytes.Buffer
	guard := Guard{Roles: rolesIn(t, t.TempDir(), slog.New(slog.DiscardHandler)), Log: slog.New(slog.NewTextHandler(&log, nil))}
	const none, denied = wire.CodeUnauthorized, wire.CodeForbidden
	for name, test := range map[string]struct {
		auth        string
		user        string
		tls         *tls.ConnectionState
		read, write wire.Code // "" passes
		who         string
	}{
		"nobody":                       {read: none, write: none, who: "anonymous"},
		"a reader's token":             {auth: "Bearer " + readToken, write: denied, who: "token prometheus"},
		"a writer's token":             {auth: "bearer " + writeToken, who: "token deploy"},
		"no token at all":              {auth: "Bearer ", read: none, write: none, who: "anonymous"},
		"half a token":                 {auth: "Bearer " + writeToken[:20], read: none, write: none, who: "anonymous"},
		"a token as a password":        {auth: "Basic " + writeToken, read: none, write: none, who: "anonymous"},
		"a user who may read":          {user: "grafana", write: denied, who: "user grafana"},
		"a user who may write":         {user: "admin", who: "user admin"},
		"a user without a role":        {user: "guest", read: none, write: none, who: "user guest"},
		"a certificate by its name":    {tls: certificateOf("manager", ""), who: "certificate manager"},
		"by another of its names":      {tls: certificateOf("x", "", "alias.example"), write: denied, who: "certificate x"},
		"by its URI":                   {tls: certificateOf("x", "", "spiffe://fleet/monitor"), write: denied, who: "certificate x"},
		"by its unit":                  {tls: certificateOf("eve", "operators"), who: "certificate eve"},
		"a name that is a unit":        {tls: certificateOf("operators", "manager"), read: none, write: none, who: "certificate operators"},
		"a certificate without a role": {tls: certificateOf("eve", "sales"), read: none, write: none, who: "certificate eve"},
		"one that nobody verified":     {tls: unverified, read: none, write: none, who: "anonymous"},
		"a reader by two":              {auth: "Bearer " + readToken, tls: certificateOf("manager", ""), who: "certificate manager"},
	} {
		t.Run(name, func(t *testing.T) {
			for method, want := range map[string]wire.Code{"GET": test.read, "HEAD": test.read, "POST": test.write, "DELETE": test.write, "TRACE": test.write} {
				log.Reset()
				r := httptest.NewRequest(method, "http://localhost/tasks?force=1", nil)
				r.TLS = test.tls
				r.Header.Set("Content-Type", "application/json")
				if test.auth != "" {
					r.Header.Set("Authorization", test.auth)
				}
				if test.user != "" {
					r.SetBasicAuth(test.user, "swordfish")
				}
				recorder := httptest.NewRecorder()
				guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })).ServeHTTP(recorder, r)
				var got wire.Code
				if recorder.Code != http.StatusAccepted {
					got = wire.ReadError(recorder.Result()).Code
				}
				if got != want {
					t.Errorf("%s: got %d %q; want %q", method, recorder.Code, got, want)
				}
				checkAudit(t, log.String(), method, test.who, recorder.Code)
			}
		})
	}
}

// checkAudit: one line for a write, none for a read, never a secret.
func checkAudit(t *testing.T, log, method, who string, status int) {
	t.Helper()
	if method == "GET" || method == "HEAD" {
		if log != "" {
			t.Errorf("%s is audited: %s", method, log)
		}
		return
	}
	if strings.Count(log, "\n") != 1 || strings.Contains(log, readToken) || strings.Contains(log, writeToken) || strings.Contains(log, "swordfish") {
		t.Errorf("the audit is not one line without secrets: %s", log)
	}
	r, err := parseText(log)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"msg": "audit", "who": who, "from": "192.0.2.1:1234", "method": method, "path": "/tasks", "query": "force=1",
		"outcome": http.StatusText(status)} {
		if r[key] != want {
			t.Errorf("%s: %s is %q, want %q in %s", method, key, r[key], want, log)
		}
	}
}

// Everything that a write has made is named, a hundred to a line.
func TestAuditNamesAllThatWasMade(t *testing.T) {
	var log strings.Builder
	guard := &Guard{Log: slog.New(slog.NewTextHandler(&log, nil))}
	r := httptest.NewRequest(http.MethodPost, "http://localhost/tasks", nil)
	r.Header.Set("Content-Type", "application/json")
	guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wire.InTime(w, r, func(w http.ResponseWriter, _ *http.Request) {
			for i := range 250 {
				wire.Made(w, fmt.Sprintf("/tasks/%d", i))
			}
			w.WriteHeader(http.StatusCreated)
		})
	})).ServeHTTP(httptest.NewRecorder(), r)
	var made []string
	for line := range strings.Lines(log.String()) {
		fields, err := parseText(line)
		if err != nil || fields["outcome"] != "Created" {
			t.Fatalf("%v: %s", err, line)
		}
		made = append(made, strings.Fields(fields["made"])...)
	}
	if strings.Count(log.String(), "\n") != 3 || len(made) != 250 || made[0] != "/tasks/0" || made[249] != "/tasks/249" {
		t.Errorf("the audit names %d things in %s", len(made), log.String())
	}
}

// parseText reads one line of slog's text form.
func parseText(line string) (map[string]string, error) {
	fields := map[string]string{}
	rest := strings.TrimSpace(line)
	for rest != "" {
		key, after, _ := strings.Cut(rest, "=")
		var value string
		if strings.HasPrefix(after, `"`) {
			end := strings.Index(after[1:], `"`) + 2
			value, rest = after[1:end-1], strings.TrimSpace(after[end:])
		} else {
			value, rest, _ = strings.Cut(after, " ")
		}
		fields[key] = value
	}
	return fields, nil
}

func TestAuditSaysThatAnAnswerBrokeOff(t *testing.T) {
	var log bytes.Buffer
	guard := Guard{Log: slog.New(slog.NewTextHandler(&log, nil))}
	handler := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/tasks/1")
		_, _ = w.Write([]byte("half"))
		panic(http.ErrAbortHandler)
	}))
	func() {
		defer func() { _ = recover() }()
		r := httptest.NewRequest(http.MethodPost, "http://localhost/"+strings.Repeat("a%0a", 1000), nil)
		r.Header.Set("Content-Type", "application/json")
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}()
	if text := log.String(); !strings.Contains(text, `outcome="broke off"`) || !strings.Contains(text, "made=/tasks/1") ||
		strings.Count(text, "\n") != 1 || len(text) > 2000 {
		t.Errorf("the line is %s", text)
	}
}

// What is changed on disk holds within a second; what cannot be read changes
// nothing, but for a token whose file is gone.
func TestRolesAreReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var log bytes.Buffer
		roles := rolesIn(t, dir, slog.New(slog.NewTextHandler(&log, nil)))
		may := func(token string, want Role) {
			t.Helper()
			<-time.After(rolesRefresh) // fake time
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			if _, role := roles.of(r); role != want {
				t.Errorf("%s has the role %q, want %q", token, role, want)
			}
		}
		may(readToken, RoleRead)
		put(t, dir, "prometheus.token", "another-token-that-may-read")
		may(readToken, RoleNone)
		may("another-token-that-may-read", RoleRead)
		put(t, dir, "roles.yml", strings.Replace(someRoles, "role: read, file: prometheus", "role: write, file: prometheus", 1))
		may("another-token-that-may-read", RoleWrite)

		put(t, dir, "roles.yml", "tokens: what")
		may("another-token-that-may-read", RoleWrite)
		may(writeToken, RoleWrite)
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "roles.yml") {
			t.Errorf("the log is %q; want one line that names the file", text)
		}
		put(t, dir, "roles.yml", someRoles)
		if err := os.Remove(filepath.Join(dir, "deploy.token")); err != nil {
			t.Fatal(err)
		}
		may(writeToken, RoleNone)
		may("another-token-that-may-read", RoleRead)
		put(t, dir, "deploy.token", writeToken)
		may(writeToken, RoleWrite)
		// Whoever takes the passwords away leaves nobody behind them.
		put(t, dir, "web.yml", strings.Split(somePasswords, "\n")[2])
		put(t, dir, "roles.yml", strings.Replace(someRoles, "basic_auth_users: {grafana: read, admin: write}\n", "", 1))
		<-time.After(rolesRefresh) // fake time
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("admin", "x")
		if _, role := roles.of(r); role != RoleNone {
			t.Errorf("a user whose password nobody asks for has the role %q", role)
		}
	})
}

func TestBadRolesAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"tokens: [{name: a, role: read, file: none}]":                          "the token a",
		"tokens: [{name: a, role: read, file: short}]":                         "too short",
		"tokens: [{name: a, role: admin, file: long}]":                         "tokens[0]",
		"tokens: [{role: read, file: long}]":                                   "tokens[0]",
		"tokens: [{name: a, role: read, token: long}]":                         "token not found",
		"basic_auth_users: {eve: read}":                                        `no user "eve"`,
		"basic_auth_users: {admin: root}":                                      "root",
		"client_certificates: [{role: read}]":                                  "client_certificates[0]",
		"client_certificates: [{name: a, organizational_unit: b, role: read}]": "client_certificates[0]",
		"anonymous: write":                                                     "anonymous",
		"anonymus: read":                                                       "anonymus",
	} {
		dir := t.TempDir()
		put(t, dir, "short", "hunter2")
		put(t, dir, "long", readToken)
		_, err := OpenRoles(put(t, dir, "roles.yml", text), put(t, dir, "web.yml", somePasswords), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error is %v; want it to say %q", text, err, says)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"client_certificates": "client_certificates: [{name: a, role: read}]", "no user": "basic_auth_users: {admin: read}"} {
		if _, err := OpenRoles(put(t, dir, "roles.yml", text), "", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without a web configuration: %v", err)
		}
	}
	if _, err := OpenRoles(filepath.Join(dir, "none"), "", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestAnonymousMayReadWhereTheRolesSaySo(t *testing.T) {
	roles, err := OpenRoles(put(t, t.TempDir(), "roles.yml", "anonymous: read"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if who, role := roles.of(httptest.NewRequest("GET", "/", nil)); who != "anonymous" || role != RoleRead {
		t.Errorf("%s has the role %q", who, role)
	}
}
