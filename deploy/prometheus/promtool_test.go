package prometheus_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func TestPromtoolAcceptsConfigurationAndRules(t *testing.T) {
	t.Parallel()
	promtool := findPromtool(t)
	rules := glob(t, "rules/*.yml")
	for name, args := range map[string][]string{
		"prometheus.yml":         {"check", "config", "prometheus.yml"},
		"prometheus-file-sd.yml": {"check", "config", "prometheus-file-sd.yml"},
		"rules":                  append([]string{"check", "rules"}, rules...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, promtool, args...)
		})
	}
}

func TestPromtoolRulesFireAndStaySilent(t *testing.T) {
	t.Parallel()
	promtool := findPromtool(t)
	for _, file := range glob(t, "tests/*.yml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			run(t, promtool, "test", "rules", file)
		})
	}
}

func findPromtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian's package prometheus has it)")
	}
	return path
}

func run(t *testing.T, promtool string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return files
}
