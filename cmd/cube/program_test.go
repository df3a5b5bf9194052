package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildCube builds the real program, once for all tests of a run.
var buildCube = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cube-test-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cube")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := buildCube(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// program is a running cube.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{} // closed once it has been waited for

	mu    sync.Mutex
	lines []string      // guarded by mu: what it has printed so far
	more  chan struct{} // guarded by mu: closed and renewed at each line
	err   error         // guarded by mu: how it ended
}

// startCube starts the real program with a home of its own. It is stopped, and
// has to end well, at the end of the test.
func startCube(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	path, err := buildCube()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, path, env, args...)
}

// startProgram is startCube with a program of another build.
func startProgram(t *testing.T, path string, env []string, args ...string) *program {
	t.Helper()
	p := newProgram(t, path, env, args...)
	if err := p.launch(p.cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.interrupt()
		if t.Failed() {
			t.Logf("cube %s:\n%s", strings.Join(args, " "), p.output())
		}
	})
	return p
}

// newProgram returns a program that has not been started.
func newProgram(t *testing.T, path string, env []string, args ...string) *program {
	p := &program{t: t, cmd: exec.Command(path, args...), ended: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	return p
}

// launch has start start the program, takes its output, and waits for its end.
func (p *program) launch(start func() error) error {
	output, err := p.cmd.StderrPipe()
	if err != nil {
		return err
	}
	p.cmd.Stdout = p.cmd.Stderr
	if err := start(); err != nil {
		return err
	}
	go func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			p.add(lines.Text())
		}
		err := p.cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.ended)
	}()
	return nil
}

func (p *program) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.more)
	p.more = make(chan struct{})
}

func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// await returns the first submatch of pattern in a line that the program has
// printed or prints within limit.
func (p *program) await(pattern string, limit time.Duration) string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	timeout := time.After(limit)
	for seen := 0; ; {
		p.mu.Lock()
		lines, more := p.lines[seen:], p.more
		p.mu.Unlock()
		for _, line := range lines {
			if match := expression.FindStringSubmatch(line); match != nil {
				return match[len(match)-1]
			}
		}
		seen += len(lines)
		select {
		case <-more:
		case <-p.ended:
			p.t.Fatalf("ended before it printed %q:\n%s", pattern, p.output())
		case <-timeout:
			p.t.Fatalf("did not print %q within %s:\n%s", pattern, limit, p.output())
		}
	}
}

// url is where the program says that it serves.
func (p *program) url() string {
	p.t.Helper()
	return p.await(`is serving.*url=(http://[^ "]+)`, 30*time.Second)
}

// interrupt is Ctrl-C; the program has to end with status 0, and to say what it
// does where that takes long.
func (p *program) interrupt() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(os.Interrupt) // an ended one is seen below
	const silence = 30 * time.Second
	for over := false; !over; {
		p.mu.Lock()
		more := p.more
		p.mu.Unlock()
		select {
		case <-p.ended:
			over = true
		case <-more:
		case <-time.After(silence):
			_ = p.cmd.Process.Signal(syscall.SIGQUIT) // print where it hangs
			<-p.ended
			p.t.Errorf("did not end within %v of an interrupt, or of what it said last", silence)
			over = true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		p.t.Errorf("ended with %v", p.err)
	}
}

// cube runs a client command to its end and returns what it printed.
func cube(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path, err := buildCube()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("cube %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// mustCube is cube for a command that has to succeed.
func mustCube(t *testing.T, env []string, args ...string) string {
	t.Helper()
	stdout, stderr, code := cube(t, env, args...)
	if code != 0 {
		t.Fatalf("cube %s: exit status %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// until asks condition again and again until it is met.
func until(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	timeout := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}
