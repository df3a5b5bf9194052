//go:build linux

package scrape

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/config"
	"golang.org/x/sys/unix"
)

var (
	reachTargets    = flag.Int("reach.targets", 200, "workers that TestReach scrapes; from 2,000 up its aims are checked")
	reachInterval   = flag.Duration("reach.interval", time.Second, "the scrape interval of TestReach")
	reachRounds     = flag.Int("reach.rounds", 4, "for how many intervals TestReach measures")
	reachPrometheus = flag.Bool("reach.prometheus", false, "let a real Prometheus scrape the same workers in the same run")
)

// fleetEnv makes this binary play a fleet of workers instead of testing.
const fleetEnv = "CUBE_TEST_FLEET"

func TestMain(m *testing.M) {
	if os.Getenv(fleetEnv) != "" {
		if err := playFleet(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// playFleet answers on one port of every loopback address with a page of host
// metrics and 20 tasks, until its standard input ends.
func playFleet() error {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		return err
	}
	body := []byte(workerPage(time.Now(), 20))
	length := strconv.Itoa(len(body))
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Content-Length", length)
		_, _ = w.Write(body)
	})}
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		_ = srv.Close()
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if err := srv.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// startFleet starts the fleet in a process of its own and returns its port.
func startFleet(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), fleetEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the fleet did not start: %v", err)
	}
	return strings.TrimSpace(port)
}

// loopbackTargets are so many workers, each at an address of its own.
func loopbackTargets(n int, port string) []Target {
	all := make([]Target, n)
	for i := range all {
		all[i] = Target{Node: fmt.Sprintf("w%05d", i), URL: fmt.Sprintf("http://127.%d.%d.%d:%s", 1+i/60000, i/240%250, 1+i%240, port)}
	}
	return all
}

// ages collects the time between one reading of a node and the next.
type ages struct {
	mu     sync.Mutex
	last   map[string]time.Duration
	gaps   []time.Duration
	failed []error
	count  int
}

func (a *ages) take(r Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	if r.Err != nil {
		a.failed = append(a.failed, r.Err)
		return
	}
	at := time.Duration(r.Reading.At)
	if last, known := a.last[r.Node]; known {
		a.gaps = append(a.gaps, at-last)
	}
	a.last[r.Node] = at
}

func (a *ages) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gaps, a.count = a.gaps[:0], 0
}

// cpuOf returns the CPU time that a process has used: user and system.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func ownCPU(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func memoryInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// Many real workers over real connections: each is read in every interval. With
// the full fleet (-reach.targets=10000 -reach.interval=5s) the aims of CPU,
// memory and freshness are held as well.
func TestReach(t *testing.T) {
	all := loopbackTargets(*reachTargets, startFleet(t))
	client, err := NewClient(t.Context(), config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	a := &ages{last: map[string]time.Duration{}}
	c := configFor(t, client, newSink())
	c.Interval, c.Sink = *reachInterval, a.take

	before := memoryInUse()
	_, stop := start(t, c, all...)
	<-time.After(*reachInterval * 2) // until all are connected and in step
	a.reset()
	began, cpu := time.Now(), ownCPU(t)
	<-time.After(*reachInterval * time.Duration(*reachRounds))
	took, cpu := time.Since(began), ownCPU(t)-cpu
	memory := float64(memoryInUse()-before) / float64(len(all))
	stop()

	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.failed) > 0 {
		t.Fatalf("%d scrapes failed, such as: %v", len(a.failed), a.failed[0])
	}
	if want := len(all) * (*reachRounds - 1); len(a.gaps) < want {
		t.Fatalf("%d readings came of %d workers in %d intervals; want at least %d", len(a.gaps), len(all), *reachRounds, want)
	}
	slices.Sort(a.gaps)
	p99 := a.gaps[len(a.gaps)*99/100]
	each := cpu / time.Duration(a.count)
	t.Logf("%d workers every %s: %s CPU a scrape (%.3f cores), %.1f KB a target, oldest reading p50 %s p99 %s max %s",
		len(all), *reachInterval, each, cpu.Seconds()/took.Seconds(), memory/1e3,
		a.gaps[len(a.gaps)/2], p99, a.gaps[len(a.gaps)-1])
	if *reachTargets >= 2000 {
		if each > 80*time.Microsecond {
			t.Errorf("a scrape costs %s CPU; want 80 µs at most", each)
		}
		if memory > 40e3 {
			t.Errorf("a target costs %.0f bytes; want 40,000 at most", memory)
		}
		if slot := *reachInterval / slots; p99 > *reachInterval+slot {
			t.Errorf("the oldest reading was %s old (p99); want %s at most", p99, *reachInterval+slot)
		}
	}
	if *reachPrometheus {
		client.CloseIdleConnections() // the fleet has but one file a worker to spare
		peer := prometheusCPU(t, all, took)
		t.Logf("Prometheus used %.3f cores for the same: %.1f times as much", peer.Seconds()/took.Seconds(), float64(peer)/float64(cpu))
		if float64(peer) < 3.5*float64(cpu) {
			t.Errorf("Prometheus used %s of CPU, and this %s; want 3.5 times less", peer, cpu)
		}
	}
}

// prometheusCPU lets a real Prometheus scrape the targets and returns what CPU
// it used in the given time, once it is in step.
func prometheusCPU(t *testing.T, all []Target, window time.Duration) time.Duration {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus to compare with")
	}
	var hosts []string
	for _, target := range all {
		hosts = append(hosts, strconv.Quote(strings.TrimPrefix(target.URL, "http://")))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	yaml := fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %s}\nscrape_configs:\n- job_name: cube\n  static_configs: [{targets: [%s]}]\n",
		reachInterval, time.Duration(MaxTimeout*float64(*reachInterval)), strings.Join(hosts, ","))
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "--config.file="+file, "--storage.tsdb.path="+dir, "--web.listen-address=127.0.0.1:0", "--log.level=error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was killed
	}()
	<-time.After(*reachInterval * 4)
	before := cpuOf(t, cmd.Process.Pid)
	<-time.After(window)
	return cpuOf(t, cmd.Process.Pid) - before
}
