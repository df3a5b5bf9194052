package web

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v2"
)

// Role is what somebody may do: nothing, read, or write and read.
type Role string

// The roles there are.
const (
	RoleNone  Role = ""
	RoleRead  Role = "read"
	RoleWrite Role = "write"
)

// allows reports whether who has the role may do what needs the other one.
func (r Role) allows(needed Role) bool {
	return r == RoleWrite || (r == RoleRead && needed == RoleRead)
}

// rolesFile is the form of a roles file. Who is not in it may do nothing.
type rolesFile struct {
	// Tokens come as "Authorization: Bearer …". File is relative to the
	// roles file.
	Tokens []struct {
		Name string `yaml:"name"`
		Role Role   `yaml:"role"`
		File string `yaml:"file"`
	} `yaml:"tokens"`
	// Users are some of the web configuration's basic_auth_users.
	Users map[string]Role `yaml:"basic_auth_users"`
	// Certificates are verified client certificates: by Name, which is the
	// common name or one of the alternative names, or by OrganizationalUnit.
	Certificates []struct {
		Name               string `yaml:"name"`
		OrganizationalUnit string `yaml:"organizational_unit"`
		Role               Role   `yaml:"role"`
	} `yaml:"client_certificates"`
	// Anonymous is the role of who is none of these.
	Anonymous Role `yaml:"anonymous"`
}

// rules are a roles file that was read.
type rules struct {
	rolesFile
	tokens []bearerToken
	// passwords says that the server asks for one, so that a user's name is
	// known to be true.
	passwords bool
}

type bearerToken struct {
	name string
	role Role
	sum  [sha256.Size]byte
}

// leastToken is how many characters a token has at least: one that is shorter
// can be guessed.
const leastToken = 16

// rolesRefresh is how old the roles may be that a request is held against.
const rolesRefresh = time.Second

// Roles says who may do what, by a file. It is read anew when a request comes,
// at most once a second, with the token files that it names: what was changed
// holds without a restart. All methods may be called at the same time.
type Roles struct {
	file, webConfig string
	log             *slog.Logger

	mu      sync.Mutex // guards the fields below
	rules   *rules
	readAt  time.Time
	trouble string // why the last reading failed; empty when it did not
}

// OpenRoles reads a roles file for a server with this web configuration; empty
// is none. What cannot hold (a user whom the web configuration does not have, a
// token without a file) is an error.
func OpenRoles(file, webConfig string, log *slog.Logger) (*Roles, error) {
	read, missing, err := readRoles(file, webConfig)
	if err = errors.Join(err, missing); err != nil {
		return nil, err
	}
	return &Roles{file: file, webConfig: webConfig, log: log, rules: read, readAt: time.Now()}, nil
}

// of returns who asks and what they may do.
func (r *Roles) of(request *http.Request) (who string, role Role) {
	return r.current().of(request)
}

// current returns the rules as they are on disk. While those cannot be read,
// the last ones hold; but a token whose file is gone does not.
func (r *Roles) current() *rules {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.readAt) < rolesRefresh {
		return r.rules
	}
	read, missing, err := readRoles(r.file, r.webConfig)
	r.readAt = time.Now()
	if err == nil {
		r.rules = read
	}
	trouble := ""
	if err = errors.Join(err, missing); err != nil {
		trouble = err.Error()
	}
	if trouble != r.trouble {
		r.trouble = trouble
		if trouble != "" {
			r.log.Error("The roles cannot be read anew; where they cannot, the last ones hold.", "err", trouble)
		} else {
			r.log.Info("The roles can be read again.")
		}
	}
	return r.rules
}

// readRoles reads the file. missing tells of tokens without a file: they are
// left out.
func readRoles(file, webConfig string) (read *rules, missing, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("the roles: %w", err)
	}
	read = &rules{}
	if err := yaml.UnmarshalStrict(text, &read.rolesFile); err != nil {
		return nil, nil, fmt.Errorf("the roles %s: %w", file, err)
	}
	config, err := parseConfig(webConfig)
	if err != nil {
		return nil, nil, err
	}
	read.passwords = len(config.Users) > 0
	if err := read.check(); err != nil {
		return nil, nil, fmt.Errorf("the roles %s: %w", file, err)
	}
	for user := range read.Users {
		if _, known := config.Users[user]; !known {
			return nil, nil, fmt.Errorf("the roles %s: basic_auth_users: the web configuration has no user %q", file, user)
		}
	}
	verifies := config.TLSConfig.ClientAuth == "RequireAndVerifyClientCert" || config.TLSConfig.ClientAuth == "VerifyClientCertIfGiven"
	if len(read.Certificates) > 0 && !verifies {
		return nil, nil, fmt.Errorf("the roles %s: client_certificates: the web configuration verifies none; "+
			"its client_auth_type has to be RequireAndVerifyClientCert or VerifyClientCertIfGiven", file)
	}
	missing, err = read.readTokens(filepath.Dir(file))
	return read, missing, err
}

// check refuses what says nothing, or not enough.
func (f *rolesFile) check() error {
	for user, role := range f.Users {
		if !role.allows(RoleRead) {
			return fmt.Errorf("basic_auth_users: %s: %q is no role; want read or write", user, role)
		}
	}
	for i, c := range f.Certificates {
		if !c.Role.allows(RoleRead) || (c.Name == "") == (c.OrganizationalUnit == "") {
			return fmt.Errorf("client_certificates[%d]: want a name or an organizational_unit, and the role read or write", i)
		}
	}
	for i, t := range f.Tokens {
		if !t.Role.allows(RoleRead) || t.Name == "" || t.File == "" {
			return fmt.Errorf("tokens[%d]: want a name, a file, and the role read or write", i)
		}
	}
	if f.Anonymous != RoleNone && f.Anonymous != RoleRead {
		return fmt.Errorf("anonymous: %q is not for everybody; want read, or nothing", f.Anonymous)
	}
	return nil
}

func (r *rules) readTokens(dir string) (missing, err error) {
	for _, entry := range r.Tokens {
		path := entry.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			missing = errors.Join(missing, fmt.Errorf("the token %s: %w", entry.Name, err))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the token %s: %w", entry.Name, err)
		}
		text = bytes.TrimSpace(text)
		if len(text) < leastToken {
			return nil, fmt.Errorf("the token %s in %s is too short; want %d characters or more", entry.Name, path, leastToken)
		}
		r.tokens = append(r.tokens, bearerToken{name: entry.Name, role: entry.Role, sum: sha256.Sum256(text)})
	}
	return missing, nil
}

// of returns who asks. Of several things by which they are known, the one that
// lets them do most counts.
func (r *rules) of(request *http.Request) (who string, role Role) {
	who, role = "anonymous", r.Anonymous
	better := func(name string, with Role) {
		if role == RoleNone || (with == RoleWrite && role == RoleRead) {
			who, role = name, with
		}
	}
	if sum, sent := bearer(request); sent {
		for _, t := range r.tokens {
			if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 {
				better("token "+t.name, t.role)
			}
		}
	}
	if user, _, sent := request.BasicAuth(); sent && r.passwords {
		better("user "+user, r.Users[user])
	}
	if certificate := verified(request); certificate != nil {
		better("certificate "+certificate.Subject.CommonName, r.certificateRole(certificate))
	}
	return who, role
}

// bearer returns the hash of the token that came with the request.
func bearer(request *http.Request) (sum [sha256.Size]byte, sent bool) {
	scheme, text, found := strings.Cut(request.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return sum, false
	}
	return sha256.Sum256([]byte(text)), true
}

// verified returns the client's certificate if an authority of the web
// configuration vouches for it; nil otherwise.
func verified(request *http.Request) *x509.Certificate {
	if request.TLS == nil || len(request.TLS.VerifiedChains) == 0 {
		return nil
	}
	return request.TLS.VerifiedChains[0][0]
}

func (r *rules) certificateRole(certificate *x509.Certificate) (role Role) {
	for _, c := range r.Certificates {
		if role != RoleWrite && certifies(certificate, c.Name, c.OrganizationalUnit) {
			role = c.Role
		}
	}
	return role
}

// certifies reports whether the certificate is of this name, or of this unit.
func certifies(certificate *x509.Certificate, name, unit string) bool {
	if name == "" {
		return slices.Contains(certificate.Subject.OrganizationalUnit, unit)
	}
	if certificate.Subject.CommonName == name || slices.Contains(certificate.DNSNames, name) || slices.Contains(certificate.EmailAddresses, name) {
		return true
	}
	return slices.ContainsFunc(certificate.IPAddresses, func(ip net.IP) bool { return ip.String() == name }) ||
		slices.ContainsFunc(certificate.URIs, func(uri *url.URL) bool { return uri.String() == name })
}
