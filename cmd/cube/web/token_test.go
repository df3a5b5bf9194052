package web

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTokenFileIsPrivateAndNewEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "5555.token")
	first, err := CreateToken(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	second, err := CreateToken(path)
	if err != nil {
		t.Fatal(err)
	}
	if first == second || len(second) < 20 {
		t.Errorf("tokens %q and %q", first, second)
	}
	if got, err := ReadToken(path); err != nil || got != second {
		t.Errorf("read back %q, %v; want %q", got, err, second)
	}
	for file, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v; want %v", file, info.Mode().Perm(), err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".token-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTokenGoesOnlyWhereItBelongs(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	path, err := TokenPath("5555")
	if err != nil {
		t.Fatal(err)
	}
	token, err := CreateToken(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		method, url, own string
		want             string
	}{
		"write to this machine":     {"POST", "http://127.0.0.1:5555/tasks", "", "Bearer " + token},
		"write by IPv6":             {"DELETE", "http://[::1]:5555/tasks/x", "", "Bearer " + token},
		"write to localhost":        {"POST", "http://localhost:5555/tasks", "", "Bearer " + token},
		"read":                      {"GET", "http://127.0.0.1:5555/tasks", "", ""},
		"write to another port":     {"POST", "http://127.0.0.1:5556/tasks", "", ""},
		"write to another machine":  {"POST", "http://10.0.0.1:5555/tasks", "", ""},
		"write with authentication": {"POST", "http://127.0.0.1:5555/tasks", "Basic x", "Basic x"},
	} {
		r, err := http.NewRequest(test.method, test.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.own != "" {
			r.Header.Set("Authorization", test.own)
		}
		var got string
		transport := TokenTransport{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.Header.Get("Authorization")
			return &http.Response{Body: http.NoBody}, nil
		})}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got != test.want {
			t.Errorf("%s: sent %q, want %q", name, got, test.want)
		}
		if sent := r.Header.Get("Authorization"); sent != test.own {
			t.Errorf("%s: the caller's request was changed to %q", name, sent)
		}
	}
}

// A token that was found is not looked up for every request, and at once anew
// where the server was started again with another one.
func TestTokenIsLookedUpAgainWhereItIsRefused(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	path, err := TokenPath("5556")
	if err != nil {
		t.Fatal(err)
	}
	good, sent := "", 0
	transport := TokenTransport{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		sent++
		answer := &http.Response{StatusCode: http.StatusCreated, Body: http.NoBody}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "body" {
			t.Errorf("request %d has the body %q, %v", sent, body, err)
		}
		if r.Header.Get("Authorization") != "Bearer "+good {
			answer.StatusCode = http.StatusUnauthorized
		}
		return answer, nil
	})}
	post := func() int {
		r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:5556/tasks", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	for range 2 {
		if good, err = CreateToken(path); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if status := post(); status != http.StatusCreated {
				t.Fatalf("a write is answered by %d", status)
			}
		}
	}
	if sent != 7 {
		t.Errorf("6 writes took %d requests, want 7", sent)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if status := post(); status != http.StatusCreated || sent != 8 {
		t.Errorf("the token was looked up for every request: %d, %d requests", status, sent)
	}
	good = "another"
	if status := post(); status != http.StatusUnauthorized {
		t.Errorf("a write without a token is answered by %d", status)
	}
}

func TestNamedTokenFileMustBeThere(t *testing.T) {
	r, _ := http.NewRequest(http.MethodPost, "http://10.0.0.1/tasks", nil)
	transport := TokenTransport{File: filepath.Join(t.TempDir(), "none"), Next: roundTrip(nil)}
	if response, err := transport.RoundTrip(r); err == nil {
		response.Body.Close()
		t.Error("a token file that is not there was passed over")
	}
}

// A token that was found is not believed for ever, though nobody refuses it: another
// server may have the port by now.
func TestTokenIsLookedUpAgainAfterASecond(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	path, err := TokenPath("5556")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		sent := ""
		transport := TokenTransport{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r.Header.Get("Authorization")
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		})}
		for range 2 {
			token, err := CreateToken(path)
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(tokenRefresh)
			r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:5556/tasks", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if sent != "Bearer "+token {
				t.Errorf("sent was %q, want the token %q", sent, token)
			}
		}
	})
}
