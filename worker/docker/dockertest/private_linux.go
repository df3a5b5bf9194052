package dockertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// startTimeout bounds how long a private engine takes to answer.
const startTimeout = 60 * time.Second

// Private is an engine of the test's own, which can be killed and started
// again without disturbing the machine's. It has a network namespace to
// itself, in which its containers have no network.
type Private struct {
	Host   string // its address
	Client *client.Client

	t      testing.TB
	dir    string
	daemon *exec.Cmd // nil while it is down
}

// NewPrivate starts a private engine that keeps its containers running while
// it is down. The test is skipped where there is no dockerd, or no right to
// start one. At its end the engine and all that it ran are gone.
func NewPrivate(t testing.TB) *Private {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skipf("needs dockerd to start an engine of its own: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to start an engine of its own")
	}
	p := &Private{t: t, dir: t.TempDir()}
	p.Host = "unix://" + p.path("engine.sock")
	p.KeepRunning(true)
	var err error
	p.Client, err = client.NewClientWithOpts(client.WithHost(p.Host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	p.Start()
	return p
}

func (p *Private) path(name string) string { return filepath.Join(p.dir, name) }

// Image makes an image as the function of that name does. It goes with the engine.
func (p *Private) Image() string {
	p.t.Helper()
	const name = "cube-test:private"
	load(p.t, p.Client, Build(p.t), name)
	return name
}

// KeepRunning says whether containers run on while the engine is down, from its
// next start on.
func (p *Private) KeepRunning(keep bool) {
	p.t.Helper()
	if err := os.WriteFile(p.path("daemon.json"), fmt.Appendf(nil, `{"live-restore": %v}`, keep), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// Start starts the engine and returns once it answers.
func (p *Private) Start() {
	p.t.Helper()
	// The file of the process that was killed would stop the next one.
	if err := os.Remove(p.path("pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	log, err := os.OpenFile(p.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	daemon := exec.Command("dockerd", "--config-file", p.path("daemon.json"), "--host", p.Host,
		"--data-root", p.path("data"), "--exec-root", p.path("exec"), "--pidfile", p.path("pid"),
		"--storage-driver=vfs", "--bridge=none", "--iptables=false", "--ip6tables=false")
	daemon.Stdout, daemon.Stderr = log, log
	// Without a bridge of its own, an engine deletes the machine's; in a
	// network namespace of its own there is none to delete.
	daemon.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	err = errors.Join(daemon.Start(), log.Close())
	if err != nil {
		p.t.Fatalf("start the private engine: %v", err)
	}
	p.daemon = daemon
	p.until("it answers", func() error {
		_, err := p.Client.Ping(context.WithoutCancel(p.t.Context()))
		return err
	})
}

// until returns once there is no error any more.
func (p *Private) until(what string, try func() error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), startTimeout)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			log, _ := os.ReadFile(p.path("log"))
			p.t.Fatalf("the private engine: it is not so that %s: %v\n%s", what, err, log)
		}
	}
}

// Kill ends the engine as a crash does. Its containers run on.
func (p *Private) Kill() {
	p.t.Helper()
	if err := p.daemon.Process.Kill(); err != nil {
		p.t.Fatalf("kill the private engine: %v", err)
	}
	_ = p.daemon.Wait() // it was killed; that is what it says
	p.daemon = nil
	// Its containerd dies with it, a moment later. An engine that came up
	// in this moment would take it for alive.
	written, err := os.ReadFile(p.path("exec/containerd/containerd.pid"))
	if err != nil {
		p.t.Fatal(err)
	}
	containerd, err := strconv.Atoi(strings.TrimSpace(string(written)))
	if err != nil {
		p.t.Fatal(err)
	}
	p.until("its containerd is gone", func() error {
		if syscall.Kill(containerd, 0) == nil {
			return errors.New("it runs")
		}
		return nil
	})
}

// Stop ends the engine as a restart of its service does.
func (p *Private) Stop() {
	p.t.Helper()
	if err := errors.Join(p.daemon.Process.Signal(syscall.SIGTERM), p.daemon.Wait()); err != nil {
		p.t.Fatalf("stop the private engine: %v", err)
	}
	p.daemon = nil
}

// PowerCut ends the engine and all that it runs at once, as when the machine goes
// down. What a machine does not have after it has come up is gone: processes,
// mounts, the files of /run, cgroups. What is on disk stays as it was then.
func (p *Private) PowerCut() {
	p.t.Helper()
	all, err := p.Client.ContainerList(context.WithoutCancel(p.t.Context()), container.ListOptions{})
	if err != nil {
		p.t.Fatalf("list the private engine's containers: %v", err)
	}
	p.Kill()
	p.until("nothing of it runs", p.killAll)
	p.unmount()
	if err := os.RemoveAll(p.path("exec")); err != nil {
		p.t.Fatal(err)
	}
	for _, c := range all {
		groups, err := filepath.Glob("/sys/fs/cgroup/*/docker/" + c.ID)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, group := range groups {
			_ = os.Remove(group) // what is left in it is not a test's to clear
		}
	}
}

// Forget has an engine that is down lose all its containers.
func (p *Private) Forget() {
	p.t.Helper()
	if err := os.RemoveAll(p.path("data/containers")); err != nil {
		p.t.Fatal(err)
	}
}

// killAll kills the supervisors of the engine's containers, and what they watch.
// The error is that there were any.
func (p *Private) killAll() error {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, path := range commands {
		command, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(command), p.path("exec/")) {
			continue // it has ended, or is none of ours
		}
		dir := filepath.Dir(path)
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return err
		}
		// Stopped, it does not write down how its container ended.
		err = syscall.Kill(pid, syscall.SIGSTOP)
		children, _ := filepath.Glob(filepath.Join(dir, "task/*/children"))
		for _, list := range children {
			text, _ := os.ReadFile(list)
			for child := range strings.FieldsSeq(string(text)) {
				if n, err := strconv.Atoi(child); err == nil {
					_ = syscall.Kill(n, syscall.SIGKILL) // it may have ended
				}
			}
		}
		return errors.Join(fmt.Errorf("process %d runs", pid), err, syscall.Kill(pid, syscall.SIGKILL))
	}
	return nil
}

// end removes the containers, stops the engine and unmounts what a killed one
// left mounted.
func (p *Private) end() {
	if p.daemon == nil {
		p.Start()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), cleanupTimeout)
	defer cancel()
	all, err := p.Client.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		p.t.Errorf("list the private engine's containers: %v", err)
	}
	for _, c := range all {
		if err := remove(ctx, p.Client, c.ID); err != nil {
			p.t.Errorf("remove container %v: %v", c.Names, err)
		}
	}
	if err := errors.Join(p.Client.Close(), p.daemon.Process.Signal(syscall.SIGTERM), p.daemon.Wait()); err != nil {
		p.t.Errorf("stop the private engine: %v", err)
	}
	p.unmount()
}

// unmount undoes the mounts below the engine's directory, the last one first.
func (p *Private) unmount() {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		p.t.Errorf("look for mounts left: %v", err)
	}
	lines := strings.Split(string(mounts), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		fields := strings.Fields(lines[i])
		if len(fields) < 2 || !strings.HasPrefix(fields[1], p.dir+"/") {
			continue
		}
		if err := syscall.Unmount(fields[1], syscall.MNT_DETACH); err != nil {
			p.t.Errorf("unmount %s: %v", fields[1], err)
		}
	}
}
