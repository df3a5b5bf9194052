package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"golang.org/x/sync/errgroup"

	"cube/cmd/cube/web"
)

// webFlags are the flags of every command that serves HTTP.
type webFlags struct {
	addresses      []string
	configFile     string
	rolesFile      string
	metricsAddress string
	telemetryPath  string
	allowedHosts   []string
	insecure       bool
	tokenFile      string
	noOwnMetrics   bool
	maxRequests    int
	pprof          bool
}

func (f *webFlags) add(cmd *kingpin.CmdClause, defaultAddress string) {
	cmd.Flag("web.listen-address", "Address to serve on; repeatable.").Default(defaultAddress).StringsVar(&f.addresses)
	cmd.Flag("web.config.file", "Web configuration with TLS or authentication, as the Prometheus exporter-toolkit has it.").
		ExistingFileVar(&f.configFile)
	cmd.Flag("web.roles-file", "Who may read and who may write, by token, user or client certificate; see deploy/roles.md.").
		ExistingFileVar(&f.rolesFile)
	cmd.Flag("web.metrics-address", "Serve metrics on this address of their own, so that they can be open where tasks are not.").
		StringVar(&f.metricsAddress)
	cmd.Flag("web.telemetry-path", "Path of the metrics.").Default("/metrics").StringVar(&f.telemetryPath)
	cmd.Flag("web.allowed-host", "A name, besides localhost and addresses, that clients may call this server by; * is any. Repeatable.").
		StringsVar(&f.allowedHosts)
	cmd.Flag("web.insecure", "Serve tasks on other than loopback addresses without authentication, and without a write token.").
		BoolVar(&f.insecure)
	cmd.Flag("web.token-file", "File for the write token, made anew at each start. By default one in the user's configuration directory, where the CLI finds it.").
		StringVar(&f.tokenFile)
	cmd.Flag("web.disable-exporter-metrics", "Leave out the metrics about this program itself (go_*, process_*, promhttp_*).").
		BoolVar(&f.noOwnMetrics)
	cmd.Flag("web.enable-pprof", "Serve profiles of this program below /debug/pprof/.").BoolVar(&f.pprof)
	cmd.Flag("web.max-requests", "Scrapes answered at the same time; 0 is no limit.").Default("40").IntVar(&f.maxRequests)
}

// shutdownGrace is how long requests under way may take after a signal.
const shutdownGrace = 5 * time.Second

// endpoint is an opened set of sockets, not serving yet.
type endpoint struct {
	main, metrics *web.Server // metrics is nil where it shares main's
	health        web.Health
	guard         web.Guard
	tokenFile     string // made by this endpoint; "" where there is none
	url           *url.URL
	log           *slog.Logger
}

// open opens the sockets, and makes the write token where one is needed. Port
// 0 has become a real port in the endpoint's URL.
func (f *webFlags) open(log *slog.Logger, needToken bool) (*endpoint, error) {
	authenticated, err := web.CheckExposure(f.addresses, f.configFile, f.rolesFile != "", f.insecure)
	if err != nil {
		return nil, err
	}
	e := &endpoint{log: log}
	if e.main, err = web.Listen(f.addresses, f.configFile, log); err != nil {
		return nil, err
	}
	if err := e.prepare(f, needToken && !authenticated && !f.insecure); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *endpoint) prepare(f *webFlags, needToken bool) error {
	scheme, err := e.main.Scheme()
	if err != nil {
		return err
	}
	e.url = reachableURL(scheme, e.main.Addr())
	e.guard.Log = e.log
	if e.guard.Passwords, err = e.main.Passwords(); err != nil {
		return err
	}
	if f.rolesFile != "" {
		if e.guard.Roles, err = web.OpenRoles(f.rolesFile, f.configFile, e.log); err != nil {
			return err
		}
	}
	e.guard.Hosts = append([]string{e.url.Hostname()}, f.allowedHosts...)
	if f.metricsAddress != "" {
		if e.metrics, err = web.Listen([]string{f.metricsAddress}, f.configFile, e.log); err != nil {
			return err
		}
	}
	if !needToken {
		return nil
	}
	path := f.tokenFile
	if path == "" {
		if path, err = web.TokenPath(e.url.Port()); err != nil {
			return err
		}
	}
	if e.guard.Token, err = web.CreateToken(path); err != nil {
		return err
	}
	e.tokenFile = path
	e.guard.TokenHint = "it is in " + path + " on this machine, for the user who started it"
	return nil
}

// reachableURL is how this machine's other programs reach the address; an
// unspecified one is reached by the host's name.
func reachableURL(scheme string, addr *net.TCPAddr) *url.URL {
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, strconv.Itoa(addr.Port))}
}

// metricsURL is where metrics are: the endpoint's own URL, or that of their
// address.
func (e *endpoint) metricsURL() *url.URL {
	if e.metrics == nil {
		return e.url
	}
	return reachableURL(e.url.Scheme, e.metrics.Addr())
}

// Serve answers until ctx ends: handler behind the guard, with health and
// metrics beside it. Metrics on an address of their own need no guard.
func (e *endpoint) Serve(ctx context.Context, f *webFlags, handler, metrics http.Handler) error {
	mux := http.NewServeMux()
	e.health.Register(mux)
	mux.Handle("/", handler)
	if f.pprof {
		registerPprof(mux)
	}
	group, ctx := errgroup.WithContext(ctx)
	if e.metrics == nil {
		mux.Handle("GET "+f.telemetryPath, metrics)
	} else {
		own := http.NewServeMux()
		own.Handle("GET "+f.telemetryPath, metrics)
		e.health.Register(own)
		group.Go(func() error { return e.metrics.Serve(ctx, own, shutdownGrace) })
	}
	group.Go(func() error { return e.main.Serve(ctx, e.guard.Wrap(mux), shutdownGrace) })
	e.health.SetReady(true)
	context.AfterFunc(ctx, func() { e.health.SetReady(false) })
	return group.Wait()
}

// Close closes what is open and removes the token file.
func (e *endpoint) Close() error {
	errs := []error{ignoreClosed(e.main.Close())}
	if e.metrics != nil {
		errs = append(errs, ignoreClosed(e.metrics.Close()))
	}
	if e.tokenFile != "" {
		if err := os.Remove(e.tokenFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("the write token's file: %w", err))
		}
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
