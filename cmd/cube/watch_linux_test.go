package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cube/deploy/grafana/dashboards"
	"cube/deploy/prometheus"
)

// checkPrometheus: a real Prometheus, configured as deploy/prometheus has it,
// finds its targets by the manager's service discovery, has them all up, the CPU
// ratio as a series, its rules loaded and well, and data for every panel.
func (f *fleet) checkPrometheus(t *testing.T) {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(f.prometheusConfig(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	startPrometheus(t, path, dir, address)
	targets := []string{f.idleName, f.busyName, f.fullName, strings.TrimPrefix(f.managerURL, "http://")}
	until(t, 60*time.Second, "all four targets are up", func() bool {
		up := queryPrometheus(t, address, "up")
		for _, target := range targets {
			if up[target] != 1 {
				return false
			}
		}
		return len(up) == len(targets)
	})
	until(t, 30*time.Second, "the busy machine's CPU ratio is a series", func() bool {
		return math.Abs(queryPrometheus(t, address, "cube_cpu_usage_ratio")[f.busyName]-busyShare) < 0.01
	})
	t.Run("rules", func(t *testing.T) { checkRules(t, address) })
	t.Run("dashboards", func(t *testing.T) { f.checkDashboards(t, address) })
}

// prometheusConfig is deploy/prometheus/prometheus.yml with this fleet's manager
// and shorter intervals.
func (f *fleet) prometheusConfig(t *testing.T) string {
	t.Helper()
	const folder = "../../deploy/prometheus"
	text, err := os.ReadFile(filepath.Join(folder, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs(filepath.Join(folder, "rules"))
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("http://127.0.0.1:5555", f.managerURL, "rules/*.yml", rules+"/*.yml").Replace(string(text))
	config = regexp.MustCompile(`(scrape_interval|scrape_timeout|evaluation_interval|refresh_interval): \S+`).ReplaceAllString(config, "$1: 1s")
	if !strings.Contains(config, f.managerURL) || !strings.Contains(config, rules) {
		t.Fatalf("the configuration is not as expected:\n%s", text)
	}
	return config
}

// checkRules: every rule was evaluated without a fault.
func checkRules(t *testing.T, address string) {
	rules, err := prometheus.Rules()
	if err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, "every rule is evaluated and well", func() bool {
		body, err := askPrometheus(t, address, "/api/v1/rules")
		if err != nil {
			return false
		}
		if strings.Contains(body, `"health":"err"`) {
			t.Fatalf("a rule has a fault: %s", body)
		}
		return strings.Count(body, `"health":"ok"`) == len(rules)
	})
}

// checkDashboards: every query of every panel uses metrics that a live page has,
// and returns data where a running fleet always has some.
func (f *fleet) checkDashboards(t *testing.T, address string) {
	queries, err := dashboards.Queries(f.idleName)
	if err != nil {
		t.Fatal(err)
	}
	live := familiesOf(t, page(t, f.managerURL))
	for name, family := range familiesOf(t, page(t, f.idleURL)) {
		live[name] = family
	}
	for _, query := range queries {
		where := fmt.Sprintf("%s, %s", query.Dashboard, query.Panel)
		for _, metric := range query.Metrics {
			if !prometheus.Synthetic(metric) && live[prometheus.Family(metric)] == nil {
				t.Errorf("%s: no page has %s", where, metric)
			}
		}
		if query.MayBeEmpty != "" {
			continue
		}
		until(t, 90*time.Second, where+" has data: "+query.Expr, func() bool {
			return countSeries(t, address, query.Expr) > 0
		})
	}
}
