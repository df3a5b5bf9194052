package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// long says that what takes minutes is wanted, too.
func long() bool { return os.Getenv("CUBE_TEST_LONG") != "" }

// startSteady starts a worker whose page is to be asked for much.
func startSteady(t *testing.T, args ...string) (page string) {
	t.Helper()
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	w := startCube(t, env, append([]string{"worker", "--runtime=process", "--web.listen-address=127.0.0.1:0", "--data-dir=" + t.TempDir()}, args...)...)
	return w.url() + "/metrics"
}

// scrapeOnce asks for the page and checks that it is whole.
func scrapeOnce(client *http.Client, page string) error {
	response, err := client.Get(page)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	for _, line := range []string{"\ncube_cpu_cores ", "\ncube_tasks_generation ", "\ncube_collector_success{collector=\"disk\"} 1\n", "\ncube_time_seconds "} {
		if !strings.Contains(string(text), line) {
			return fmt.Errorf("%s: no line %q in %d bytes", response.Status, line, len(text))
		}
	}
	return nil
}

// TestAThousandScrapersAtOnce: each gets a whole page, every time.
func TestAThousandScrapersAtOnce(t *testing.T) {
	page := startSteady(t, "--web.max-requests=0")
	ctx := t.Context()
	if long() {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, time.Minute)
		defer stop()
	}
	var group sync.WaitGroup
	var scrapes, faults atomic.Int64
	for range 1000 {
		group.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: time.Minute}
			for n := 0; n < 1 || long() && ctx.Err() == nil; n++ {
				if err := scrapeOnce(client, page); err != nil && faults.Add(1) < 5 {
					t.Errorf("a scrape: %v", err)
				}
				scrapes.Add(1)
			}
		})
	}
	group.Wait()
	if scrapes.Load() < 1000 || faults.Load() > 0 {
		t.Errorf("%d of %d scrapes failed", faults.Load(), scrapes.Load())
	}
}

// TestHostileScrapersDelayNobody: clients that read a byte a second, that hang
// up before the answer, and that send a megabyte of headers. The others are
// served as usual meanwhile.
func TestHostileScrapersDelayNobody(t *testing.T) {
	page := startSteady(t)
	client := &http.Client{Timeout: 30 * time.Second}
	latency := func() time.Duration {
		var took []time.Duration
		for range 60 {
			begin := time.Now()
			if err := scrapeOnce(client, page); err != nil {
				t.Errorf("an ordinary scrape: %v", err)
			}
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	usual := latency()

	address, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	attack := func(n int, client func(ctx context.Context, host string) error) {
		for range n {
			group.Go(func() {
				tick := time.NewTicker(200 * time.Millisecond) // hostile, not a flood
				defer tick.Stop()
				for ctx.Err() == nil {
					select {
					case <-tick.C:
					case <-ctx.Done():
					}
					if err := client(ctx, address.Host); err != nil && ctx.Err() == nil {
						t.Errorf("a hostile client: %v", err)
						return
					}
				}
			})
		}
	}
	attack(20, readSlowly)
	attack(2, hangUp)
	attack(2, sendHugeHeaders)
	during := latency()
	stop()
	group.Wait()
	if during > 10*usual+100*time.Millisecond {
		t.Errorf("a scrape takes %v, %v with nobody hostile around", during, usual)
	}
}

func dial(ctx context.Context, host string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, nil
}

const bareRequest = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"

// readSlowly asks for some pages at once and reads a byte of them a second.
func readSlowly(ctx context.Context, host string) error {
	conn, err := dial(ctx, host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(1024); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, strings.Repeat(bareRequest+"\r\n", 5)); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for one := make([]byte, 1); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := conn.Read(one); err != nil {
			return err
		}
	}
}

// hangUp asks and leaves.
func hangUp(ctx context.Context, host string) error {
	conn, err := dial(ctx, host)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, bareRequest+"\r\n")
	return err
}

// sendHugeHeaders sends a megabyte of headers, and has to be refused.
func sendHugeHeaders(ctx context.Context, host string) error {
	conn, err := dial(ctx, host)
	if err != nil {
		return err
	}
	defer conn.Close()
	header := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
	// The server may have answered and closed before all of it is sent.
	_, _ = io.WriteString(conn, bareRequest+strings.Repeat(header, 1<<10)+"\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil // cut off, which is an answer, too
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		return fmt.Errorf("a megabyte of headers: %s", response.Status)
	}
	return nil
}

// TestNoGrowthOverManyScrapes: neither memory nor descriptors, over a million
// scrapes in the long mode.
func TestNoGrowthOverManyScrapes(t *testing.T) {
	warm, scrapes := 2000, 5000
	if long() {
		warm, scrapes = 20_000, 1_000_000
	}
	const slack = 2 << 10 // kB
	// Without the race detector, whose own memory grows.
	path := filepath.Join(t.TempDir(), "cube")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	w := startProgram(t, path, []string{"XDG_CONFIG_HOME=" + t.TempDir()}, "worker", "--runtime=process",
		"--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir())
	page := w.url() + "/metrics"
	client := &http.Client{Timeout: 30 * time.Second}
	run := func(n int) (rss, descriptors int) {
		for range n {
			if err := scrapeOnce(client, page); err != nil {
				t.Fatal(err)
			}
		}
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		rss, err = rssAnon(w.cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return rss, len(open)
	}
	rss, descriptors := run(warm)
	rssAfter, descriptorsAfter := run(scrapes)
	t.Logf("%d scrapes: RssAnon from %d to %d kB, descriptors from %d to %d", scrapes, rss, rssAfter, descriptors, descriptorsAfter)
	if rssAfter > rss+slack {
		t.Errorf("RssAnon grew from %d to %d kB", rss, rssAfter)
	}
	if descriptorsAfter > descriptors+2 { // a task database's, or an engine's, come and go
		t.Errorf("from %d descriptors to %d", descriptors, descriptorsAfter)
	}
}

var rssLine = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)

// rssAnon is a process's memory that no file can give back, in kB.
func rssAnon(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	found := rssLine.FindSubmatch(status)
	if found == nil {
		return 0, errors.New("no RssAnon")
	}
	return strconv.Atoi(string(found[1]))
}
