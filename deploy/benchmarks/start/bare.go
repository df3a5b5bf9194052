package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// idle is what every task does.
var idle = []string{"sleep", "86400"}

// taskMemory is the limit of every task that has one, in bytes.
const taskMemory = 8 << 20

// processes are started by fork and exec.
type processes struct {
	mu      sync.Mutex // guards started
	started []*exec.Cmd
}

func (p *processes) start(_ context.Context, n int) error {
	return each(n, func(int) error {
		cmd := exec.Command(idle[0], idle[1:]...)
		err := cmd.Start()
		if err == nil {
			p.mu.Lock()
			p.started = append(p.started, cmd)
			p.mu.Unlock()
		}
		return err
	})
}

func (p *processes) clear() error {
	var errs []error
	for _, cmd := range p.started {
		errs = append(errs, cmd.Process.Kill())
	}
	for _, cmd := range p.started {
		_ = cmd.Wait() // killed
	}
	p.started = nil
	return errors.Join(errs...)
}

// containers are started by docker run.
type containers struct {
	image   string
	mu      sync.Mutex // guards started
	started []string
}

func (c *containers) start(ctx context.Context, n int) error {
	return each(n, func(int) error {
		out, err := exec.CommandContext(ctx, "docker", "run", "--detach", "--memory="+strconv.Itoa(taskMemory), c.image, "forever").Output()
		if err != nil {
			return fmt.Errorf("docker run: %w", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.started = append(c.started, strings.TrimSpace(string(out)))
		return nil
	})
}

func (c *containers) clear() error {
	started := c.started
	c.started = nil
	if len(started) == 0 {
		return nil
	}
	return docker(context.Background(), append([]string{"rm", "--force"}, started...)...)
}

func docker(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("docker %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// importImage imports an image that holds the tests' static program alone.
func importImage(ctx context.Context, dir string) (string, error) {
	const name = "cube-benchmark:start"
	path := filepath.Join(dir, "program")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./worker/docker/dockertest/testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the image's program: %w\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	err = files.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(program))})
	if err == nil {
		_, err = files.Write(program)
	}
	if err = errors.Join(err, files.Close()); err != nil {
		return "", err
	}
	load := exec.CommandContext(ctx, "docker", "import", "--change", `ENTRYPOINT ["/program"]`, "-", name)
	load.Stdin = &archive
	if out, err := load.CombinedOutput(); err != nil {
		return "", fmt.Errorf("importing the image: %w\n%s", err, out)
	}
	return name, nil
}
