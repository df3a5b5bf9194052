package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"
)

// Limits on a client that sends or reads slowly. Answers can be streams (logs,
// long polls), so writing has no limit here; handlers bound it themselves.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// Server is a set of listeners that serve one handler.
type Server struct {
	listeners  []net.Listener
	configFile string
	log        *slog.Logger
}

// Listen opens the addresses. On an error none stays open. configFile is an
// exporter-toolkit web configuration; empty is plain HTTP.
func Listen(addresses []string, configFile string, log *slog.Logger) (*Server, error) {
	s := &Server{configFile: configFile, log: log}
	for _, address := range addresses {
		listener, err := listen(address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cannot listen on %s: %w", address, err), s.Close())
		}
		s.listeners = append(s.listeners, listener)
	}
	return s, nil
}

// Addr is the address of the first listener, with the port that was given
// where 0 was asked for.
func (s *Server) Addr() *net.TCPAddr { return s.listeners[0].Addr().(*net.TCPAddr) }

// Scheme is "https" where the web configuration has a certificate.
func (s *Server) Scheme() (string, error) {
	config, err := loadConfig(s.configFile)
	if err != nil {
		return "", err
	}
	if config.TLSConfig.IsEnabled() {
		return "https", nil
	}
	return "http", nil
}

// Passwords reports whether the web configuration has users with passwords, and
// lets nobody else in.
func (s *Server) Passwords() (bool, error) {
	config, err := loadConfig(s.configFile)
	return len(config.Users) > 0, err
}

// Close closes the listeners of a server that never served.
func (s *Server) Close() error {
	var errs []error
	for _, listener := range s.listeners {
		errs = append(errs, listener.Close())
	}
	return errors.Join(errs...)
}

// Serve answers requests until ctx ends, then lets those under way finish for
// up to grace, and returns once all listeners are closed. The requests' contexts
// end with the grace.
func (s *Server) Serve(ctx context.Context, handler http.Handler, grace time.Duration) error {
	requests, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, serving := errgroup.WithContext(ctx)
	for _, listener := range s.listeners {
		// One server a listener: the toolkit wraps the server's handler
		// in place.
		server := &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: readHeaderTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
			BaseContext:       func(net.Listener) context.Context { return requests },
			ConnContext:       withHolder,
		}
		group.Go(func() error {
			quiet := slog.New(levelCap{s.log.Handler()})
			err := toolkit.Serve(listener, server, &toolkit.FlagConfig{WebConfigFile: &s.configFile}, quiet)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return fmt.Errorf("serving %s: %w", listener.Addr(), err)
		})
		group.Go(func() error {
			<-serving.Done()
			return shutdown(server, stop, grace)
		})
	}
	return group.Wait()
}

// shutdown stops a server: streams are told by their contexts half-way through
// the grace, what is left after it is cut.
func shutdown(server *http.Server, endRequests func(), grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	half := time.AfterFunc(grace/2, endRequests)
	defer half.Stop()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}

// levelCap lowers the toolkit's two lines a listener to debug: Cube says itself
// what it serves where.
type levelCap struct{ slog.Handler }

func (h levelCap) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}
