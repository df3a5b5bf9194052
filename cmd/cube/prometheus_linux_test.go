package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// freeAddress is an address nobody listens on just now, for a program that
// cannot be asked which port it got.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// startPrometheus starts a real Prometheus on dir/prometheus.yml.
func startPrometheus(t *testing.T, path, dir, address string) {
	t.Helper()
	output, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was told to end
		output.Close()
		if t.Failed() {
			log, _ := os.ReadFile(output.Name())
			t.Logf("prometheus:\n%s", log)
		}
	})
}

// askPrometheus fetches a path of its API.
func askPrometheus(t *testing.T, address, path string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// series is what an instant query answers.
type series struct {
	Metric map[string]string
	Value  [2]any
}

// query asks an instant query; there is nothing while the server does not answer
// yet. A query that it refuses fails the test.
func query(t *testing.T, address, expression string) []series {
	t.Helper()
	body, err := askPrometheus(t, address, "/api/v1/query?query="+url.QueryEscape(expression))
	if err != nil {
		return nil
	}
	var answer struct {
		Status, Error string
		Data          struct{ Result json.RawMessage }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil // starting
	}
	if answer.Status != "success" {
		t.Fatalf("%s: %s", expression, answer.Error)
	}
	var result []series
	if err := json.Unmarshal(answer.Data.Result, &result); err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return result
}

// countSeries is how many series a query has.
func countSeries(t *testing.T, address, expression string) int {
	t.Helper()
	return len(query(t, address, expression))
}

// queryPrometheus returns an instant query's values by instance.
func queryPrometheus(t *testing.T, address, expression string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for _, one := range query(t, address, expression) {
		text, _ := one.Value[1].(string)
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			values[one.Metric["instance"]] = value
		}
	}
	return values
}

// page fetches a metrics page as text.
func page(t *testing.T, base string) string {
	t.Helper()
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s/metrics: %s, %v", base, response.Status, err)
	}
	return string(body)
}

// familiesOf reads a metrics page.
func familiesOf(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	read, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// gauge is the value of the one series of a gauge with these labels.
func gauge(t *testing.T, read map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	t.Helper()
	for _, metric := range read[name].GetMetric() {
		matches := 0
		for _, pair := range metric.GetLabel() {
			if labels[pair.GetName()] == pair.GetValue() {
				matches++
			}
		}
		if matches == len(labels) {
			return metric.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s%v", name, labels)
	return 0
}

// checkMetrics: manager and worker count the same task, and promtool has
// nothing to say about either page.
func (f *fleet) checkMetrics(t *testing.T) {
	until(t, 10*time.Second, "manager and worker count one running task", func() bool {
		manager, worker := familiesOf(t, page(t, f.managerURL)), familiesOf(t, page(t, f.idleURL))
		running := map[string]string{"state": "running"}
		return gauge(t, manager, "cube_manager_tasks", running) == 1 && gauge(t, worker, "cube_tasks", running) == 1 &&
			gauge(t, worker, "cube_allocated_cpu_cores", nil) == 0.5 && gauge(t, worker, "cube_allocated_memory_bytes", nil) == 512<<20
	})
	manager := familiesOf(t, page(t, f.managerURL))
	if ready := gauge(t, manager, "cube_manager_nodes", map[string]string{"state": "ready"}); ready != 3 {
		t.Errorf("the manager counts %v ready nodes; want 3", ready)
	}
	if age := gauge(t, manager, "cube_manager_reading_age_seconds", map[string]string{"node": f.busyName}); age < 0 || age > 5 {
		t.Errorf("the busy machine's reading is %v s old", age)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	for name, base := range map[string]string{"manager": f.managerURL, "worker": f.idleURL} {
		check := exec.Command(promtool, "check", "metrics")
		check.Stdin = strings.NewReader(page(t, base))
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool check metrics, %s: %v\n%s", name, err, out)
		}
	}
}
