package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"cube/worker/client"
	"cube/worker/task"
)

// compare starts the servers, scrapes them, and prints the table.
func compare(ctx context.Context, c config, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "cube-scrape-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	procPath := "/proc"
	if c.largeMachine {
		procPath = filepath.Join(dir, "proc")
		if err := writeLargeMachine(procPath); err != nil {
			return err
		}
	}
	if err := pin(os.Getpid(), c.clientCPU); err != nil {
		return err
	}
	cube, err := startWorker(ctx, c, dir, procPath)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cube.stop()) }()
	servers := []*server{cube}
	for _, name := range []string{floorName, readsName} {
		floor, err := startFloor(ctx, c, dir, name, cube)
		if err != nil {
			return err
		}
		servers = append(servers, floor)
		defer func() { err = errors.Join(err, floor.stop()) }()
	}
	if c.nodeExporter != "" {
		peer, err := startServer(ctx, c, "node_exporter", `msg="Listening on" address=(\S+)`, c.nodeExporter,
			"--web.listen-address=127.0.0.1:0", "--path.procfs="+procPath, "--web.disable-exporter-metrics", "--collector.disable-defaults",
			"--collector.cpu", "--collector.meminfo", "--collector.loadavg", "--collector.filesystem", "--collector.pressure")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, peer.stop()) }()
		servers = append(servers, peer)
	}
	m, err := measure(ctx, c, servers)
	if err != nil {
		return err
	}
	return m.print(c, out)
}

// startWorker starts a worker with its tasks.
func startWorker(ctx context.Context, c config, dir, procPath string) (*server, error) {
	path := c.cube
	if path == "" {
		path = filepath.Join(dir, "cube")
		if text, err := exec.CommandContext(ctx, "go", "build", "-o", path, "cube/cmd/cube").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building cube: %w\n%s", err, text)
		}
	}
	s, err := startServer(ctx, c, "cube", `worker is serving.*url=http://([^ "]+)`, path, "worker", "--runtime=process", "--drain",
		"--web.listen-address=127.0.0.1:0", "--web.insecure", "--web.disable-exporter-metrics", "--web.enable-pprof",
		"--data-dir="+filepath.Join(dir, "worker"), "--path.procfs="+procPath)
	if err != nil {
		return nil, err
	}
	api, err := client.New(s.url, s.client)
	if err != nil {
		return nil, err
	}
	for i := range c.tasks {
		t := task.Task{ID: uuid.New(), Name: fmt.Sprintf("task-%d", i), Command: []string{"sleep", "infinity"}, Cpu: 0.01, Memory: 4 << 20}
		if _, err := api.Submit(ctx, task.Event{ID: uuid.New(), State: task.Running, Timestamp: time.Now(), Task: t}); err != nil {
			return nil, errors.Join(err, s.stop())
		}
	}
	return s, s.until(ctx, fmt.Sprintf("\ncube_tasks{state=\"running\"} %d\n", c.tasks))
}

// until scrapes until the page has a line.
func (s *server) until(ctx context.Context, line string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		page, err := s.get(ctx, "/metrics", "identity")
		if err != nil || bytes.Contains(page, []byte(line)) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s does not show %q: %w", s.name, line, ctx.Err())
		}
	}
}

// The floors: with nothing measured, and with all that is measured read.
const (
	floorName = "floor"
	readsName = "floor, reads"
)

// startFloor starts this program as a floor, with the page of another server.
func startFloor(ctx context.Context, c config, dir, name string, of *server) (*server, error) {
	args := make([]string, 0, 3)
	for flag, encoding := range map[string]string{"--floor-plain": "identity", "--floor-gzip": "gzip"} {
		page, err := of.get(ctx, "/metrics", encoding)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, "page-"+encoding)
		if err := os.WriteFile(path, page, 0o600); err != nil {
			return nil, err
		}
		args = append(args, flag+"="+path)
	}
	if name == readsName {
		list := filepath.Join(dir, "reads")
		if err := of.listReads(list); err != nil {
			return nil, err
		}
		args = append(args, "--floor-reads="+list)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if c.gomaxprocs == 0 {
		c.gomaxprocs = 1
	}
	return startServer(ctx, c, name, `url=http://(\S+)`, self, args...)
}

// listReads writes the list of the kernel's files that a server reads at each
// scrape: those that it keeps open, but for the table of mounts, which it polls,
// and the memory.stat of tasks, which sleep.
func (s *server) listReads(list string) error {
	dir := fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var names strings.Builder
	for _, entry := range entries {
		name, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil || !strings.HasPrefix(name, "/proc/") && !strings.HasPrefix(name, "/sys/fs/cgroup/") {
			continue // closed meanwhile, or nothing of the kernel's
		}
		if base := filepath.Base(name); base != "mountinfo" && base != "memory.stat" {
			names.WriteString(name + "\n")
		}
	}
	return os.WriteFile(list, []byte(names.String()), 0o600)
}
