package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// manager is the cube manager that is measured.
type manager struct {
	cmd    *exec.Cmd
	config config
	dir    string
	flags  []string
	url    string
	host   string
	token  string
	client *http.Client
	exited chan error
}

// newManager builds the program if need be; start starts it.
func newManager(ctx context.Context, c config, dir string, flags ...string) (*manager, error) {
	if c.cube == "" {
		c.cube = filepath.Join(dir, "cube")
		if text, err := exec.CommandContext(ctx, "go", "build", "-o", c.cube, "cube/cmd/cube").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building cube: %w\n%s", err, text)
		}
	}
	return &manager{config: c, dir: dir, flags: flags, client: &http.Client{Timeout: time.Minute}}, nil
}

// start starts the manager, anew with the state that it left, and returns once
// it serves.
func (m *manager) start(ctx context.Context) error {
	path := filepath.Join(m.dir, "manager.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the manager has its own descriptor
	args := append([]string{"manager", "--data-dir=" + filepath.Join(m.dir, "state"), "--workers.file=" + filepath.Join(m.dir, "workers.json"),
		"--web.listen-address=127.0.0.1:0", "--web.token-file=" + filepath.Join(m.dir, "token"), "--web.enable-pprof"}, m.flags...)
	m.cmd = exec.CommandContext(ctx, m.config.cube, append(args, m.config.manager...)...)
	m.cmd.Stdout, m.cmd.Stderr = log, log
	if m.config.gomaxprocs > 0 {
		m.cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(m.config.gomaxprocs))
	}
	m.cmd.Cancel = func() error { return m.cmd.Process.Signal(unix.SIGTERM) }
	if err := m.cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	m.exited = exited
	go func(cmd *exec.Cmd) { exited <- cmd.Wait() }(m.cmd)
	if m.url, err = m.awaitURL(path); err != nil {
		return err
	}
	m.host = strings.TrimPrefix(m.url, "http://")
	token, err := os.ReadFile(filepath.Join(m.dir, "token"))
	m.token = strings.TrimSpace(string(token))
	return err
}

// awaitURL reads the log until it says where the manager serves.
func (m *manager) awaitURL(path string) (string, error) {
	serving := regexp.MustCompile(`manager is serving.*? url=(http://[^ "]+)`)
	for {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if found := serving.FindSubmatch(text); found != nil {
			return string(found[1]), nil
		}
		select {
		case err := <-m.exited:
			return "", fmt.Errorf("the manager ended: %w\n%s", err, text)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// kill ends the manager as a power failure would.
func (m *manager) kill() error {
	if err := m.cmd.Process.Kill(); err != nil {
		return err
	}
	if err := <-m.exited; err == nil {
		return errors.New("the manager ended by itself, and well, when it was killed")
	}
	return nil
}

// get asks the manager and returns the body.
func (m *manager) get(ctx context.Context, path string) ([]byte, error) {
	answer, err := m.ask(ctx, path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// size asks the manager, reads the body to its end and returns its length: a
// client that keeps 30 MB would take longer over that than the manager.
func (m *manager) size(ctx context.Context, path string) (int64, error) {
	answer, err := m.ask(ctx, path)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, answer.Body, make([]byte, 256<<10))
}

// ask asks the manager; the caller closes the answer's body.
func (m *manager) ask(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := m.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body) // what there is of it
		return nil, fmt.Errorf("GET %s: %s: %.200s", path, answer.Status, body)
	}
	return answer, nil
}

// metrics reads the manager's own page: series to value.
func (m *manager) metrics(ctx context.Context) (map[string]float64, error) {
	page, err := m.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for line := range bytes.Lines(page) {
		series, text, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil && series != "#" {
			values[series] = value
		}
	}
	return values, nil
}

// until asks for the metrics until they are as wanted.
func (m *manager) until(ctx context.Context, what string, within time.Duration, wanted func(map[string]float64) bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		values, err := m.metrics(ctx)
		if err == nil && wanted(values) {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s: not within %v", what, within), err)
		}
	}
}

func tasksIn(values map[string]float64, states ...string) int {
	n := 0.0
	for _, state := range states {
		n += values[fmt.Sprintf("cube_manager_tasks{state=%q}", state)]
	}
	return int(n)
}

// begun counts the tasks that the manager knows to have come to run.
func begun(values map[string]float64) int { return tasksIn(values, "running", "completed", "failed") }

// cpuTime is what the process has used, user and system.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(errUser, errSystem)
}

func (m *manager) cpuTime() (time.Duration, error) { return cpuTime(m.cmd.Process.Pid) }

// memory returns a line of the process' status in MB, such as VmRSS.
func (m *manager) memory(key string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, key+":"); found {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("no %s", key)
}

// storeSize is the size of the store's file in MB.
func (m *manager) storeSize() float64 {
	info, err := os.Stat(filepath.Join(m.dir, "state", "manager.db"))
	if err != nil {
		return 0
	}
	return float64(info.Size()) / 1e6
}

// profile takes a profile of the manager, if profiles are wanted.
func (m *manager) profile(ctx context.Context, name, path string) error {
	if m.config.profile == "" {
		return nil
	}
	body, err := m.get(ctx, path)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.config.profile, name), body, 0o600)
}

// all lists all tasks that the manager has, a page at a time.
func (m *manager) all(ctx context.Context, each func(id, state string)) error {
	for path := "/tasks?limit=20000"; path != ""; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+path, nil)
		if err != nil {
			return err
		}
		answer, err := m.client.Do(request)
		if err != nil {
			return err
		}
		var tasks []struct{ ID, State string }
		err = json.NewDecoder(bufio.NewReaderSize(answer.Body, 1<<16)).Decode(&tasks)
		_ = answer.Body.Close()
		if err != nil {
			return err
		}
		for _, t := range tasks {
			each(t.ID, t.State)
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(answer.Header.Get("Link"), "<"), ">")
	}
	return nil
}
