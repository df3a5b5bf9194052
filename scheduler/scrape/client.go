package scrape

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/common/config"
)

// reloadEvery is how often a file with a certificate, key, token or password is
// looked at again. Reading it for every request would cost more than a scrape.
const reloadEvery = time.Second

// NewClient makes the client that reaches workers: TLS with client
// certificates, basic auth, tokens, headers and proxy as the configuration
// says. Files it names are read again when they change, within a second.
//
// Connections are kept between scrapes, one a worker. Of idle ones at most 0.8
// of the process's limit of open files are kept, so that a large fleet leaves
// room for the rest and does not fail all at once. Without TLS and proxy an idle
// one costs its socket and no more; with them there is a pair of small buffers
// and of goroutines to each.
//
// OAuth 2 and a secret manager's references are refused: they would need a
// background of their own.
func NewClient(ctx context.Context, c config.HTTPClientConfig) (*http.Client, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("the HTTP client configuration is wrong: %w", err)
	}
	if err := refuseUnsupported(c); err != nil {
		return nil, err
	}
	tlsConfig, err := config.NewTLSConfigWithContext(ctx, &c.TLSConfig)
	if err != nil {
		return nil, fmt.Errorf("the TLS configuration is wrong: %w", err)
	}
	// The credentials are made once, outside of what a change of certificates
	// makes anew.
	wrap := credentials(c)
	base := func(t *tls.Config) (http.RoundTripper, error) { return newTransport(c, t, maxIdle()), nil }
	files := config.TLSRoundTripperSettings{
		CA:   secret(c.TLSConfig.CA, c.TLSConfig.CAFile),
		Cert: secret(c.TLSConfig.Cert, c.TLSConfig.CertFile),
		Key:  secret(string(c.TLSConfig.Key), c.TLSConfig.KeyFile),
	}
	var rt http.RoundTripper
	if c.TLSConfig.CAFile+c.TLSConfig.CertFile+c.TLSConfig.KeyFile == "" {
		rt, err = base(tlsConfig)
	} else {
		rt, err = config.NewTLSRoundTripperWithContext(ctx, tlsConfig, files, base)
	}
	if err != nil {
		return nil, fmt.Errorf("the TLS configuration is wrong: %w", err)
	}
	if c.ProxyURL.URL == nil && !c.ProxyFromEnvironment {
		rt = newPlainTransport(rt, maxIdle())
	}
	client := &http.Client{Transport: wrap(rt)}
	if !c.FollowRedirects {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client, nil
}

func refuseUnsupported(c config.HTTPClientConfig) error {
	references := c.TLSConfig.CARef + c.TLSConfig.CertRef + c.TLSConfig.KeyRef
	if c.BasicAuth != nil {
		references += c.BasicAuth.UsernameRef + c.BasicAuth.PasswordRef
	}
	if c.Authorization != nil {
		references += c.Authorization.CredentialsRef
	}
	switch {
	case c.OAuth2 != nil:
		return errors.New("the HTTP client configuration has oauth2, which is not supported towards workers")
	case references != "":
		return errors.New("the HTTP client configuration refers to a secret manager, and there is none")
	}
	return nil
}

// credentials returns what puts the configured headers onto every request.
func credentials(c config.HTTPClientConfig) func(http.RoundTripper) http.RoundTripper {
	var user, password, token config.SecretReader
	scheme := "Bearer"
	if c.BasicAuth != nil {
		user = secret(c.BasicAuth.Username, c.BasicAuth.UsernameFile)
		password = secret(string(c.BasicAuth.Password), c.BasicAuth.PasswordFile)
	}
	if c.Authorization != nil { // Validate has moved a bearer token here
		token = secret(string(c.Authorization.Credentials), c.Authorization.CredentialsFile)
		scheme = c.Authorization.Type
	}
	return func(rt http.RoundTripper) http.RoundTripper {
		if c.BasicAuth != nil {
			rt = config.NewBasicAuthRoundTripper(user, password, rt)
		}
		if c.Authorization != nil {
			rt = config.NewAuthorizationCredentialsRoundTripper(scheme, token, rt)
		}
		if c.HTTPHeaders != nil {
			rt = config.NewHeadersRoundTripper(c.HTTPHeaders, rt)
		}
		return rt
	}
}

func newTransport(c config.HTTPClientConfig, t *tls.Config, idle int) *http.Transport {
	transport := &http.Transport{
		Proxy:              c.Proxy(),
		ProxyConnectHeader: c.GetProxyConnectHeader(),
		DialContext:        (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:    t,
		// One connection scrapes, others dispatch tasks and read logs.
		MaxIdleConnsPerHost: 4,
		MaxIdleConns:        idle,
		// A worker's connection for tasks goes when it has not been needed for
		// a while; the one that scrapes is used again before.
		IdleConnTimeout:     30 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true,
		// What a hostile worker's headers may cost.
		MaxResponseHeaderBytes: 64 << 10,
		// Enough for the headers: a body is read past the buffer.
		ReadBufferSize:  1 << 10,
		WriteBufferSize: 1 << 10,
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(c.EnableHTTP2)
	transport.Protocols = protocols
	return transport
}
