package web

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A bcrypt hash of "x" at the least cost.
const users = "basic_auth_users:\n  a: $2y$04$4Vsx0RgVBRxq6JjvL5hNtOw1r/HuDRhAtmJ5vm1fpwqXFPQLlSiqa\n"

func TestExposureNeedsAuthentication(t *testing.T) {
	withUsers := write(t, users)
	plain := write(t, "http_server_config:\n  headers:\n    X-Frame-Options: deny\n")
	for name, test := range map[string]struct {
		address, file string
		roles         bool
		insecure      bool
		says          string // "" is allowed
	}{
		"loopback":                        {address: "127.0.0.1:5555"},
		"IPv6 loopback":                   {address: "[::1]:5555"},
		"localhost":                       {address: "localhost:5555"},
		"every address":                   {address: ":5555", says: "--web.config.file"},
		"0.0.0.0":                         {address: "0.0.0.0:5555", says: "--web.config.file"},
		"an address, plain configuration": {address: "192.0.2.1:5555", file: plain, says: "--web.config.file"},
		"an address, with users":          {address: "192.0.2.1:5555", file: withUsers},
		"an address, with roles":          {address: "192.0.2.1:5555", roles: true},
		"an address, as asked":            {address: "192.0.2.1:5555", insecure: true},
		"no port":                         {address: "localhost", says: "host:port"},
		"a file that is not there":        {address: "127.0.0.1:1", file: "none.yml", says: "none.yml"},
		"a file that is not right":        {address: "127.0.0.1:1", file: write(t, "basic: 1\n"), says: "basic"},
	} {
		_, err := CheckExposure([]string{test.address}, test.file, test.roles, test.insecure)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v; want an error with %q", name, err, test.says)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTakenPortNamesTheAddress(t *testing.T) {
	first, err := Listen([]string{"127.0.0.1:0"}, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	address := first.Addr().String()
	second, err := Listen([]string{"127.0.0.1:0", address}, "", slog.New(slog.DiscardHandler))
	if err == nil {
		second.Close()
		t.Fatal("listened twice on one port")
	}
	if !strings.Contains(err.Error(), address) {
		t.Errorf("%v does not name %s", err, address)
	}
}

// A stream is told to end, and what is under way may finish.
func TestServeEndsStreamsAndFinishesRequests(t *testing.T) {
	server, err := Listen([]string{"127.0.0.1:0"}, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun\n")
		_ = http.NewResponseController(w).Flush()
		stop() // the signal comes while this request is under way
		<-r.Context().Done()
		_, _ = io.WriteString(w, "ended\n")
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, handler, 2*time.Second) }()
	response, err := (&http.Client{}).Get("http://" + server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for _, want := range []string{"begun", "ended"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, %v; want %q", lines.Text(), lines.Err(), want)
		}
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", server.Addr().String()); err == nil {
		conn.Close()
		t.Error("the port is still open after Serve returned")
	}
}
