package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// server is one of the programs compared.
type server struct {
	name   string
	cmd    *exec.Cmd
	url    string // base URL
	client *http.Client
}

// startServer starts a program on the servers' core and waits until it says
// where it listens: the first submatch of address in its log.
func startServer(ctx context.Context, c config, name, address, path string, args ...string) (*server, error) {
	s := &server{name: name, cmd: exec.CommandContext(ctx, path, args...)}
	s.cmd.Env = os.Environ()
	if c.gomaxprocs > 0 {
		s.cmd.Env = append(s.cmd.Env, "GOMAXPROCS="+strconv.Itoa(c.gomaxprocs))
	}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = 10 * time.Second
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	expression := regexp.MustCompile(address)
	lines := bufio.NewScanner(log)
	var said strings.Builder
	for s.url == "" {
		if !lines.Scan() {
			return nil, fmt.Errorf("%s ended: %w\n%s", name, s.cmd.Wait(), &said)
		}
		said.WriteString(lines.Text() + "\n")
		if found := expression.FindStringSubmatch(lines.Text()); found != nil {
			s.url = "http://" + found[1]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, log) }() // ends with the program
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableCompression: true, MaxConnsPerHost: 1}}
	return s, pin(s.cmd.Process.Pid, c.serverCPU)
}

// isFloor reports whether it serves a page that was made beforehand.
func (s *server) isFloor() bool { return s.name == floorName || s.name == readsName }

func (s *server) stop() error {
	_ = s.cmd.Process.Signal(os.Interrupt) // Wait says how it ended
	_ = s.cmd.Wait()                       // an exporter may end by the signal
	return nil
}

// pin binds all threads of a process to one core; threads to come are made by
// these and bound as well.
func pin(pid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	for range 3 { // a thread may be made meanwhile
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return err
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(filepath.Base(task))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
				return fmt.Errorf("pinning process %d to core %d: %w", pid, cpu, err)
			}
		}
	}
	return nil
}

// get fetches a path of the server, compressed or not, and returns the body as
// it was sent.
func (s *server) get(ctx context.Context, path, encoding string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept-Encoding", encoding)
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s%s: %s: %s", s.url, path, response.Status, body)
	}
	return body, err
}

// cpuTime is the CPU time of all threads of the process there were, user and
// system: its CPU clock, as clock_getcpuclockid(3) names it.
func (s *server) cpuTime() (time.Duration, error) {
	const schedClock = 2
	var now unix.Timespec
	if err := unix.ClockGettime(int32(^s.cmd.Process.Pid<<3|schedClock), &now); err != nil {
		return 0, fmt.Errorf("the CPU clock of %s: %w", s.name, err)
	}
	return time.Duration(now.Nano()), nil
}

// rssAnon is the process's memory that no file can give back, in kB.
func (s *server) rssAnon() (int, error) {
	return s.figure(os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)))(`RssAnon:\s+(\d+) kB`)
}

// figure finds a number in a text.
func (s *server) figure(text []byte, err error) func(expression string) (int, error) {
	return func(expression string) (int, error) {
		if err != nil {
			return 0, err
		}
		found := regexp.MustCompile(expression).FindSubmatch(text)
		if found == nil {
			return 0, fmt.Errorf("%s shows no %s", s.name, expression)
		}
		return strconv.Atoi(string(found[1]))
	}
}

// allocations are the objects and the bytes that the process has allocated.
func (s *server) allocations(ctx context.Context) (objects, bytes int, err error) {
	find := s.figure(s.get(ctx, "/debug/pprof/heap?debug=1", "identity"))
	if objects, err = find(`# Mallocs = (\d+)`); err != nil {
		return 0, 0, err
	}
	bytes, err = find(`# TotalAlloc = (\d+)`)
	return objects, bytes, err
}
