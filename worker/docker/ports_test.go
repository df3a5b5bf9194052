package docker_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cube/worker"
	"cube/worker/docker"
	"cube/worker/docker/dockertest"
	"cube/worker/task"
)

func testPorts(t *testing.T, image string) {
	owner := dockertest.Owner(t)
	loopback := newRuntime(t, owner, func(cfg *docker.Config) { cfg.PublishAddress = "127.0.0.1" })
	everywhere := newRuntime(t, owner)

	for _, test := range []struct {
		name    string
		runtime *docker.Runtime
		change  func(*task.Task)
		ports   []string // that are published
		given   string   // port of the host, if one was asked for
	}{
		{"any free port", loopback, func(t *task.Task) { t.PortBindings = map[string]string{"8080/tcp": ""} }, []string{"8080/tcp"}, ""},
		{"port 0 is any", loopback, func(t *task.Task) { t.PortBindings = map[string]string{"8080": "0"} }, []string{"8080/tcp"}, ""},
		{"a port asked for", loopback, func(t *task.Task) { t.PortBindings = map[string]string{"8080/tcp": freePort()} }, []string{"8080/tcp"}, "same"},
		{"an exposed port", loopback, func(t *task.Task) { t.ExposedPorts = map[string]struct{}{"8080/tcp": {}} }, []string{"8080/tcp"}, ""},
		{"exposed and bound, and another", loopback, func(t *task.Task) {
			t.ExposedPorts = map[string]struct{}{"8080": {}, "9090/udp": {}}
			t.PortBindings = map[string]string{"8080/tcp": freePort()}
		}, []string{"8080/tcp", "9090/udp"}, "same"},
		{"on all addresses", everywhere, func(t *task.Task) { t.PortBindings = map[string]string{"8080/tcp": ""} }, []string{"8080/tcp"}, ""},
		{"none", loopback, func(*task.Task) {}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, what := newTask(image, "serve", "8080", "out", "serving", "forever")
			test.change(what)
			run := start(t, test.runtime, key, what)
			if len(run.HostPorts) != len(test.ports) {
				t.Fatalf("published %v; want exactly %v", run.HostPorts, test.ports)
			}
			for _, port := range test.ports {
				if len(run.HostPorts[port]) == 0 {
					t.Fatalf("published %v, without %s", run.HostPorts, port)
				}
			}
			if test.ports == nil {
				return
			}
			for _, given := range run.HostPorts["8080/tcp"] {
				if loopbackOnly := given.HostIp == "127.0.0.1"; loopbackOnly != (test.runtime == loopback) {
					t.Errorf("bound to %q", given.HostIp)
				}
				if test.given == "same" && given.HostPort != what.PortBindings["8080/tcp"] {
					t.Errorf("given %v; asked for %v", given, what.PortBindings)
				}
			}
			waitForLine(t, test.runtime, key, "serving")
			served(t, run.HostPorts["8080/tcp"][0].HostPort)

			// It is listed with the same, and has none once it has ended.
			listed := only(t, test.runtime, key)
			if fmt.Sprint(listed.HostPorts) != fmt.Sprint(run.HostPorts) {
				t.Errorf("listed with %v; started with %v", listed.HostPorts, run.HostPorts)
			}
			if err := test.runtime.Stop(t.Context(), key, 0); err != nil {
				t.Fatalf("stop: %v", err)
			}
			if ended := only(t, test.runtime, key); len(ended.HostPorts) != 0 {
				t.Errorf("ended, and listed with %v", ended.HostPorts)
			}
		})
	}
}

func testPortTaken(t *testing.T, image string) {
	runtime := newRuntime(t, dockertest.Owner(t), func(cfg *docker.Config) { cfg.PublishAddress = "127.0.0.1" })
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	key, what := newTask(image, "forever")
	what.PortBindings = map[string]string{"80/tcp": port}
	if run, err := runtime.Start(t.Context(), key, what); err == nil || !strings.Contains(err.Error(), port) {
		t.Errorf("started as %+v, %v; want an error that names port %s", run, err, port)
	}
	if runs, err := runtime.List(t.Context()); err != nil || len(runs) != 0 {
		t.Errorf("left %+v, %v", runs, err)
	}
}

// freePort is a port that was free a moment ago.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // the machine has no loopback, or no ports
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	return port
}

// served makes sure that the test program answers on the host's port.
func served(t *testing.T, port string) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get("http://127.0.0.1:" + port + "/")
	if err != nil {
		t.Fatalf("the published port does not answer: %v", err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "served\n" {
		t.Errorf("the published port answers %q, %v", body, err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
}

// only is the listed run of the key.
func only(t *testing.T, runtime *docker.Runtime, key worker.Key) worker.Run {
	t.Helper()
	runs, err := runtime.List(t.Context())
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	for _, run := range runs {
		if run.Key == key {
			return run
		}
	}
	t.Fatalf("run %s is not listed", key)
	return worker.Run{}
}
