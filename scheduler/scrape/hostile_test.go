package scrape

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// text sends what write writes as a page, in chunks, until the client hangs up.
func text(write func(w *bufio.Writer, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		buffered := bufio.NewWriter(w)
		write(buffered, r)
		_ = buffered.Flush()
	})
}

// bomb is 64 MiB of a page in 64 kB of gzip.
func bomb(t *testing.T) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	block := []byte(strings.Repeat("a 1\n", 1<<16))
	for range 1 << 8 {
		if _, err := z.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// A hostile worker costs its own reading and nothing else: it is given up with
// a reason, within the deadline and within bounded memory, while a good one
// beside it is read in every round.
func TestHostileWorkers(t *testing.T) {
	const line = "cube_load1 1\n"
	packed := bomb(t)
	var sent atomic.Int64
	for _, test := range []struct {
		name    string
		handler http.Handler
		outcome Outcome
	}{
		{"garbage", text(func(w *bufio.Writer, _ *http.Request) {
			for i := range 1 << 12 {
				_ = w.WriteByte(byte(i*7 + i>>3))
			}
			_ = w.WriteByte('\n')
		}), BadPage},
		{"a body of 1 GB", text(func(w *bufio.Writer, _ *http.Request) {
			sent.Store(0)
			for range 1 << 30 / len(line) {
				n, err := w.WriteString(line)
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
		}), TooLarge},
		{"a line without an end", text(func(w *bufio.Writer, _ *http.Request) {
			_, _ = w.WriteString(`a{b="`)
			for range 1 << 30 {
				if w.WriteByte('x') != nil {
					return
				}
			}
		}), TooLarge},
		{"a million series", text(func(w *bufio.Writer, _ *http.Request) {
			for range 1_000_000 {
				if _, err := w.WriteString("a 1\n"); err != nil {
					return
				}
			}
		}), TooLarge},
		{"one byte at a time", text(func(w *bufio.Writer, r *http.Request) {
			ticker := time.NewTicker(20 * time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-r.Context().Done():
					return
				case <-ticker.C:
					_ = w.WriteByte('a')
					_ = w.Flush()
				}
			}
		}), Timeout},
		{"headers that never come", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}), Timeout},
		{"a gzip bomb", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed)
		}), TooLarge},
		{"a gzip cut off", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed[:1000])
		}), BadPage},
		{"endless headers", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1 << 10 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1<<8))
			}
		}), Unreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			good := server(t, handler(func() string { return workerPage(time.Now(), 20) }))
			bad := server(t, test.handler)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s := newSink()
			config := configFor(t, clientFor(t, "", "{}"), s)
			if config.Interval = 20 * time.Second; test.outcome == Timeout {
				config.Interval = time.Second
			}
			l, stop := start(t, config, Target{Node: "good", URL: good.URL}, Target{Node: "bad", URL: bad.URL})
			for len(s.of("good")) < 3 || len(s.of("bad")) < 2 {
				if r := s.next(t); len(s.of(r.Node)) < 3 {
					l.ScrapeNow(r.Node)
				}
			}
			stop()
			runtime.ReadMemStats(&after)
			for _, r := range s.of("bad") {
				if f := failureOf(t, r); f.Outcome != test.outcome {
					t.Errorf("got %s: %v; want %s", f.Outcome, f, test.outcome)
				}
			}
			for _, r := range s.of("good") {
				if r.Err != nil {
					t.Errorf("the good one was lost: %v", r.Err)
				}
			}
			// By servers and client together, in several rounds.
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Errorf("%d MiB were allocated", used>>20)
			}
		})
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d MiB of the long body were taken", n>>20)
	}
}

// A page under the limit of bytes can be over that of samples.
func TestManySamplesInASmallPage(t *testing.T) {
	page := workerPage(noon, 1) + strings.Repeat("a 1\n", DefaultMaxSamples)
	srv := server(t, text(func(w *bufio.Writer, _ *http.Request) { _, _ = io.WriteString(w, page) }))
	s := newSink()
	failure := failureOf(t, scrapeOnce(t, configFor(t, srv.Client(), s), s, Target{Node: "w1", URL: srv.URL}))
	if failure.Outcome != TooLarge || failure.Reason != "the page has more than 20000 samples" {
		t.Errorf("got %v", failure)
	}
}
