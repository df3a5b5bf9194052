package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cube/cmd/cube/faults"
	scheduling "cube/scheduler/client"
	working "cube/worker/client"
)

// The fleet of TestFaults, and how fast it notices. A node timeout is long
// enough that a loaded machine alone does not make a node down, and short enough
// that a fault can.
const (
	faultWorkers    = 4
	faultInterval   = 500 * time.Millisecond
	faultStaleAfter = 2 * time.Second
	faultTimeout    = 6 * time.Second
	faultDisk       = 48 << 20 // bytes of each program's disk
	faultPort       = "5555"
)

// trial is a fleet of real programs in a network of their own, and what clients
// know of it.
type trial struct {
	t       *testing.T
	random  *rand.Rand // of the test's own goroutine
	network *faults.Network
	outside *faults.Host // where clients are; no fault reaches their links to workers
	manager *member
	workers []*member
	client  *scheduling.Client
	http    *http.Transport // from outside
	ledger  string          // directory where each task writes down its runs
	logs    string          // directory of what the programs print
	notes   *notes
	orders  *orders
	watcher *watcher
	live    map[string]place  // by the task's ID: what runs after a round
	rest    map[*member]usage // when nothing had happened yet
	blurred bool              // in this round the manager cannot keep its own times

	stop context.CancelFunc // of the programs
	work sync.WaitGroup
}

// member is one program of the fleet, with a host and a disk of its own. It is
// started again when it ends, as by a service manager.
type member struct {
	trial *trial
	name  string
	host  *faults.Host
	disk  *faults.Disk
	args  []string
	home  string

	mu      sync.Mutex // guards the fields below
	current *program
	clock   *faults.Clock
	held    chan struct{} // while it is not to run: closed when it may again
	killed  bool          // the current program was, by the test
	full    bool          // its disk is
	lives   int
}

// newTrial starts the fleet and waits until it is whole.
func newTrial(t *testing.T, seed uint64) *trial {
	t.Helper()
	if _, err := buildCube(); err != nil {
		t.Fatal(err)
	}
	logs, err := os.MkdirTemp("", "cube-faults-*")
	if err != nil {
		t.Fatal(err)
	}
	r := &trial{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), network: faults.NewNetwork(), ledger: t.TempDir(), logs: logs,
		orders: newOrders(seed), live: map[string]place{}, rest: map[*member]usage{},
	}
	r.notes = newNotes(filepath.Join(logs, "test.log"))
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(logs)
		}
	})
	t.Cleanup(func() {
		if err := r.network.Close(); err != nil {
			t.Error(err)
		}
	})
	r.outside = r.addHost()
	r.http = &http.Transport{DialContext: r.outside.DialContext}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	t.Cleanup(r.end)
	r.manager = r.addMember("manager", "manager", "--scrape.interval="+faultInterval.String(),
		"--node.stale-after="+faultStaleAfter.String(), "--node.timeout="+faultTimeout.String())
	for n := range faultWorkers {
		name := fmt.Sprintf("worker-%d", n+1)
		r.workers = append(r.workers, r.addMember(name, "worker", "--runtime=process", "--drain",
			"--node.name="+name, "--join="+r.manager.url(), "--capacity.memory=64GiB", "--capacity.cpu=64", "--overcommit.cpu=16"))
	}
	if r.client, err = scheduling.New(r.manager.url(), &http.Client{Transport: r.http}); err != nil {
		t.Fatal(err)
	}
	for _, m := range r.members() {
		r.work.Go(func() { m.keep(ctx) })
	}
	r.work.Go(func() { r.probe(ctx) })
	r.watcher = &watcher{trial: r}
	r.work.Go(func() { r.watcher.run(ctx) })
	r.settle()
	r.measure()
	return r
}

func (r *trial) members() []*member { return append([]*member{r.manager}, r.workers...) }

func (r *trial) addHost() *faults.Host {
	r.t.Helper()
	h, err := r.network.AddHost()
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

func (r *trial) addMember(name string, args ...string) *member {
	r.t.Helper()
	m := &member{trial: r, name: name, host: r.addHost(), home: r.t.TempDir()}
	data := filepath.Join(r.t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		r.t.Fatal(err)
	}
	var err error
	if m.disk, err = faults.NewDisk(data, faultDisk); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := m.disk.Close(); err != nil {
			r.t.Error(err)
		}
	})
	m.args = append(args, "--web.listen-address="+m.address(), "--web.insecure", "--data-dir="+data)
	return m
}

func (m *member) address() string { return net.JoinHostPort(m.host.Addr.String(), faultPort) }
func (m *member) url() string     { return "http://" + m.address() }

// worker is a client of the member from outside.
func (m *member) worker() *working.Client {
	c, err := working.New(m.url(), &http.Client{Transport: m.trial.http})
	if err != nil {
		m.trial.t.Fatal(err)
	}
	return c
}

// keep has the program run until ctx ends, and then ends it well.
func (m *member) keep(ctx context.Context) {
	const pause = 200 * time.Millisecond // a service manager's, between two lives
	for ctx.Err() == nil {
		p, err := m.begin()
		if err != nil {
			m.trial.t.Errorf("%s cannot be started: %v", m.name, err)
			return
		}
		followed := make(chan struct{})
		go func() {
			defer close(followed)
			m.follow(p)
		}()
		select {
		case <-p.ended:
		case <-ctx.Done():
			_ = p.cmd.Process.Signal(syscall.SIGCONT)
			p.interrupt()
		}
		<-followed
		m.afterLife(ctx, p)
		m.mu.Lock()
		held := m.held
		m.mu.Unlock()
		if held == nil {
			waitUntil(ctx, pause)
			continue
		}
		select {
		case <-held:
		case <-ctx.Done():
		}
	}
}

// begin starts one life of the program, in its host.
func (m *member) begin() (*program, error) {
	path, err := buildCube()
	if err != nil {
		return nil, err
	}
	p := newProgram(m.trial.t, path, []string{"XDG_CONFIG_HOME=" + m.home}, m.args...)
	if faults.ClocksStep {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current, m.killed, m.clock = p, false, nil
	m.lives++
	return p, m.host.Do(func() error {
		return p.launch(func() error {
			err := p.cmd.Start()
			if err == nil && faults.ClocksStep {
				m.clock, err = faults.NewClock(p.cmd.Process.Pid)
			}
			return err
		})
	})
}

// afterLife judges how a life ended: by the test, at the end, or since the disk
// was full. Anything else is a crash.
func (m *member) afterLife(ctx context.Context, p *program) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clock != nil {
		_ = m.clock.Close()
		m.clock = nil
	}
	if !m.killed && !m.full && ctx.Err() == nil {
		m.trial.t.Errorf("%s ended by itself: %v\n%s", m.name, p.err, tail(p.output()))
	}
}

// tail is the end of a text that may be long.
func tail(text string) string {
	const most = 4000
	return text[max(0, len(text)-most):]
}

// signal sends the running program a signal; where none runs, nothing happens.
func (m *member) signal(s syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.current.cmd.Process.Signal(s)
}

// kill ends the program as a power cut does, and keeps it from being started
// again before release.
func (m *member) kill() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held != nil {
		return func() {} // another fault has it
	}
	held := make(chan struct{})
	m.held, m.killed = held, true
	_ = m.current.cmd.Process.Kill() // it may be between two lives
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.held = nil
		close(held)
	}
}

// stepClock moves the wall clock of the running program.
func (m *member) stepClock(by time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clock == nil {
		return nil
	}
	if err := m.clock.Step(by); err != nil && !m.killed { // a program that is just dying has none
		return err
	}
	return nil
}

// fill has the disk full, or not any more.
func (m *member) fill(full bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if full {
		m.full = true
		return m.disk.Fill()
	}
	return m.disk.Clear()
}

// follow keeps what the program prints, and notes what bears on the rules.
func (m *member) follow(p *program) {
	m.mu.Lock()
	path := filepath.Join(m.trial.logs, fmt.Sprintf("%s.%d.log", m.name, m.lives))
	m.mu.Unlock()
	file, err := os.Create(path)
	if err != nil {
		m.trial.t.Error(err)
		return
	}
	defer file.Close()
	for seen, ended := 0, false; ; {
		p.mu.Lock()
		lines, more := p.lines[seen:], p.more
		p.mu.Unlock()
		seen += len(lines)
		for _, line := range lines {
			fmt.Fprintf(file, "%s %s\n", stamp(), line)
			m.trial.hear(m, line)
		}
		if ended && len(lines) == 0 {
			return
		}
		select {
		case <-more:
		case <-p.ended:
			ended = true
		}
	}
}

// hear notes one line that a member has printed.
func (r *trial) hear(m *member, line string) {
	switch {
	case strings.Contains(line, "DATA RACE"), strings.HasPrefix(line, "panic:"), strings.HasPrefix(line, "fatal error:"):
		r.t.Errorf("%s says %s", m.name, line)
	case m == r.manager:
		r.notes.hear(line)
	}
}

// end ends the programs, each of which has to end well, and whatever they ran.
func (r *trial) end() {
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	r.work.Wait()
	for id, left := range processesNaming(r.t, r.ledger) {
		r.t.Errorf("task %s is left, with all workers drained: %v", id, left)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	r.http.CloseIdleConnections()
	r.notes.close()
}

// keepLogs says where the programs' logs and the tasks' ledgers are.
func (r *trial) keepLogs() string {
	if err := os.CopyFS(filepath.Join(r.logs, "ledger"), os.DirFS(r.ledger)); err != nil {
		r.t.Error(err)
	}
	return r.logs
}

// usage is what a program holds that can leak.
type usage struct{ goroutines, descriptors int }

// usageOf asks the member's own metrics.
func (r *trial) usageOf(m *member) (usage, error) {
	response, err := (&http.Client{Transport: r.http, Timeout: 10 * time.Second}).Get(m.url() + "/metrics")
	if err != nil {
		return usage{}, err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		return usage{}, err
	}
	var goroutines, descriptors float64
	for line := range strings.Lines(string(page)) {
		_, _ = fmt.Sscanf(line, "go_goroutines %g", &goroutines)
		_, _ = fmt.Sscanf(line, "process_open_fds %g", &descriptors)
	}
	if goroutines == 0 || descriptors == 0 {
		return usage{}, errors.New("the page does not tell")
	}
	return usage{int(goroutines), int(descriptors)}, nil
}

// waitUntil waits for d, or less if ctx ends.
func waitUntil(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
