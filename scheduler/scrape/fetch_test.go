package scrape

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// server answers on a port of its own until the test ends.
func server(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// raw answers every connection with the bytes and closes it.
func raw(t *testing.T, answer string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// scrapeOnce runs a loop until the first result of one target.
func scrapeOnce(t *testing.T, config Config, s *sink, target Target) Result {
	t.Helper()
	_, stop := start(t, config, target)
	result := s.next(t)
	stop()
	return result
}

func TestScrapeOverHTTP(t *testing.T) {
	var got *http.Request
	srv := server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		handler(func() string { return workerPage(noon, 20) }).ServeHTTP(w, r)
	}))
	s := newSink()
	result := scrapeOnce(t, configFor(t, srv.Client(), s), s, Target{Node: "w1", URL: srv.URL})
	if result.Err != nil || result.Node != "w1" || result.Reading.Node != "w1" || len(result.Reading.Tasks) != 20 || result.Duration <= 0 {
		t.Errorf("got %+v", result)
	}
	for header, want := range map[string]string{
		"Accept-Encoding":                     "identity",
		"Accept":                              "text/plain;version=0.0.4;q=1,text/plain;q=0.5",
		"X-Prometheus-Scrape-Timeout-Seconds": "4",
	} {
		if v := got.Header.Get(header); v != want {
			t.Errorf("%s is %q; want %q", header, v, want)
		}
	}
	if got.URL.Path != "/metrics" {
		t.Errorf("asked for %s", got.URL.Path)
	}
}

// Each bad answer costs its reading, with a sentence that says what was wrong.
func TestBadAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
	page := workerPage(noon, 1)
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	for name, test := range map[string]struct {
		answer  string
		outcome Outcome
		says    string
	}{
		"closed at once":         {"", Unreachable, "EOF"},
		"not HTTP":               {"220 mail.example ESMTP\r\n", Unreachable, "malformed HTTP"},
		"500":                    {"HTTP/1.1 500 Oh No\r\nContent-Length: 0\r\n\r\n", BadStatus, `"500 Oh No"`},
		"401":                    {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", BadStatus, "401"},
		"empty":                  {ok + length(0) + "\r\n", BadPage, "empty"},
		"a web page":             {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + length(3) + "\r\nhi\n", BadPage, `"text/html"`},
		"OpenMetrics unasked":    {"HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text\r\n" + length(6) + "\r\n# EOF\n", BadPage, "openmetrics"},
		"no type":                {"HTTP/1.1 200 OK\r\n" + length(len(page)) + "\r\n" + page, BadPage, `Content-Type is ""`},
		"length not told":        {ok + "Connection: close\r\n\r\n" + page, BadPage, "neither by Content-Length nor by chunks"},
		"shorter than told":      {ok + length(len(page)+1) + "\r\n" + page, BadPage, "cut off"},
		"cut off in a chunk":     {ok + "Transfer-Encoding: chunked\r\n\r\nffff\r\n" + page, BadPage, "cut off"},
		"cut off between chunks": {ok + "Transfer-Encoding: chunked\r\n\r\n3\r\na 1\r\n", BadPage, "cut off"},
		"told too long":          {ok + length(1<<30) + "\r\n" + page, TooLarge, "1073741824 bytes"},
		"brotli unasked":         {ok + "Content-Encoding: br\r\n" + length(3) + "\r\nabc", BadPage, `"br"`},
		"not gzip":               {ok + "Content-Encoding: gzip\r\n" + length(12) + "\r\nabcdefghijkl", BadPage, "gzip is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink()
			result := scrapeOnce(t, configFor(t, &http.Client{Transport: &http.Transport{}}, s), s,
				Target{Node: "w1", URL: raw(t, test.answer)})
			failure := failureOf(t, result)
			if failure.Outcome != test.outcome || !strings.Contains(failure.Reason, test.says) {
				t.Errorf("got %s: %q; want %s and %q", failure.Outcome, failure.Reason, test.outcome, test.says)
			}
			if !strings.HasPrefix(failure.Error(), "node w1 was not read at http://127.0.0.1:") {
				t.Errorf("the error does not name the node: %v", failure)
			}
		})
	}
}

func failureOf(t *testing.T, r Result) *Failure {
	t.Helper()
	var failure *Failure
	if !errors.As(r.Err, &failure) {
		t.Fatalf("got %+v; want a failure", r)
	}
	return failure
}

func TestNobodyListens(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	s := newSink()
	result := scrapeOnce(t, configFor(t, srv.Client(), s), s, Target{Node: "w1", URL: srv.URL})
	if failure := failureOf(t, result); failure.Outcome != Unreachable || !strings.Contains(failure.Reason, "refused") {
		t.Errorf("got %v", failure)
	}
}

func TestRedirects(t *testing.T) {
	other := server(t, handler(func() string { t.Error("the other host was asked"); return "" }))
	mux := http.NewServeMux()
	mux.Handle("/there", handler(func() string { return workerPage(noon, 0) }))
	mux.Handle("/here", http.RedirectHandler("/there", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	mux.Handle("/away", http.RedirectHandler(other.URL+"/there", http.StatusFound))
	srv := server(t, mux)
	for path, want := range map[string]Outcome{"/here": Success, "/round": Unreachable, "/away": BadRedirect} {
		s := newSink()
		result := scrapeOnce(t, configFor(t, srv.Client(), s), s, Target{Node: "w1", URL: srv.URL + path})
		if want == Success {
			if result.Err != nil {
				t.Errorf("%s: %v", path, result.Err)
			}
			continue
		}
		if failure := failureOf(t, result); failure.Outcome != want || !strings.Contains(failure.Reason, "redirect") {
			t.Errorf("%s: got %s: %v; want %s", path, failure.Outcome, failure, want)
		}
	}
}

func TestGzipUnasked(t *testing.T) {
	srv := server(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, workerPage(noon, 3))
		_ = z.Close()
	}))
	s := newSink()
	result := scrapeOnce(t, configFor(t, srv.Client(), s), s, Target{Node: "w1", URL: srv.URL})
	if result.Err != nil || len(result.Reading.Tasks) != 3 {
		t.Errorf("got %+v", result)
	}
}

func TestBadTargetsSaySo(t *testing.T) {
	for name, test := range map[string]struct {
		target Target
		says   string
	}{
		"no scheme":     {Target{URL: "10.0.0.7:5556"}, "not a URL"},
		"other scheme":  {Target{URL: "ftp://10.0.0.7"}, "http or https"},
		"no host":       {Target{URL: "http:///metrics"}, "a host"},
		"secret inside": {Target{URL: "http://user:hunter2@bad host/"}, "not a URL"},
		"source":        {Target{URL: "http://10.0.0.7:5556", Source: "telegraf"}, `no source named "telegraf"`},
	} {
		s := newSink()
		test.target.Node = "w1"
		client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			t.Error("a bad target was asked")
			return nil, io.EOF
		})}
		failure := failureOf(t, scrapeOnce(t, configFor(t, client, s), s, test.target))
		if failure.Outcome != BadTarget || !strings.Contains(failure.Reason, test.says) || strings.Contains(failure.Error(), "hunter2") {
			t.Errorf("%s: got %s: %v", name, failure.Outcome, failure)
		}
	}
}

func TestPasswordInURLIsNotShown(t *testing.T) {
	srv := server(t, http.NotFoundHandler())
	s := newSink()
	url := strings.Replace(srv.URL, "http://", "http://user:hunter2@", 1)
	failure := failureOf(t, scrapeOnce(t, configFor(t, srv.Client(), s), s, Target{Node: "w1", URL: url}))
	if strings.Contains(failure.Error(), "hunter2") || !strings.Contains(failure.Error(), "user:xxxxx@") {
		t.Errorf("got %v", failure)
	}
}

// roundTripper lets a function answer requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer makes a response of a page, after the given time or at the end of the
// request's context.
func answer(r *http.Request, page string, after time.Duration) (*http.Response, error) {
	if after > 0 {
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return nil, context.Cause(r.Context())
		}
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"text/plain; version=0.0.4"}},
		Body:          io.NopCloser(strings.NewReader(page)),
		ContentLength: int64(len(page)), Request: r,
	}, nil
}
