package prometheus_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"

	"cube/deploy/prometheus"
)

func TestEveryAlertSaysHowBadItIsAndWhatToDo(t *testing.T) {
	t.Parallel()
	for _, rule := range alerts(t) {
		if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: the severity is %q; want critical or warning", rule.Alert, severity)
		}
		for _, name := range []string{"summary", "description", "runbook"} {
			text := rule.Annotations[name]
			if text == "" || strings.ContainsRune(text, '\n') {
				t.Errorf("%s: the annotation %s is %q; want one line", rule.Alert, name, text)
			}
		}
	}
}

// Where an alert sends somebody on to the operator's runbook, that chapter is
// there; and the runbook's own links lead somewhere.
func TestEveryChapterOfTheRunbookThatIsNamedIsThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	chapters := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1) {
		anchor := strings.ToLower(strings.ReplaceAll(match[1], " ", "-"))
		chapters[strings.NewReplacer(",", "", "'", "").Replace(anchor)] = true
	}
	named := regexp.MustCompile(`\(#([a-z-]+)\)`).FindAllStringSubmatch(string(text), -1)
	for _, rule := range alerts(t) {
		named = append(named, regexp.MustCompile(`deploy/runbook\.md#([a-z-]+)`).FindAllStringSubmatch(rule.Annotations["runbook"], -1)...)
	}
	for _, name := range named {
		if !chapters[name[1]] {
			t.Errorf("there is no chapter %q in %v", name[1], chapters)
		}
	}
	if len(named) < len(chapters) {
		t.Errorf("%d links to %d chapters", len(named), len(chapters))
	}
}

// testFile is what is read of promtool's format of unit tests.
type testFile struct {
	Tests []struct {
		Name   string `yaml:"name"`
		Alerts []struct {
			Name     string `yaml:"alertname"`
			Expected []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
		Exprs []struct {
			Expr string `yaml:"expr"`
		} `yaml:"promql_expr_test"`
	} `yaml:"tests"`
}

func TestEveryAlertHasAFiringAndASilentCase(t *testing.T) {
	t.Parallel()
	firing, silent := map[string]bool{}, map[string]bool{}
	for _, file := range testFiles(t) {
		for _, test := range file.Tests {
			for _, alert := range test.Alerts {
				if len(alert.Expected) > 0 {
					firing[alert.Name] = true
				} else {
					silent[alert.Name] = true
				}
			}
		}
	}
	for _, rule := range alerts(t) {
		if !firing[rule.Alert] || !silent[rule.Alert] {
			t.Errorf("%s: firing case %t, silent case %t; want both", rule.Alert, firing[rule.Alert], silent[rule.Alert])
		}
	}
}

// A recorded share is right or wrong in a test of its own, or in that of an
// alert which reads it.
func TestEveryRecordingRuleIsTestedOrAlertedOn(t *testing.T) {
	t.Parallel()
	read := map[string]bool{}
	note := func(expr string) {
		metrics, err := prometheus.Metrics(expr)
		if err != nil {
			t.Error(err)
		}
		for _, metric := range metrics {
			read[metric] = true
		}
	}
	for _, file := range testFiles(t) {
		for _, test := range file.Tests {
			for _, expr := range test.Exprs {
				note(expr.Expr)
			}
		}
	}
	for _, rule := range alerts(t) {
		note(rule.Expr)
	}
	for _, rule := range rules(t) {
		if rule.Record != "" && !read[rule.Record] {
			t.Errorf("the recording rule %s is neither tested nor alerted on", rule.Record)
		}
	}
}

func TestRulesReadOnlyCubeAndWhatEveryScrapeHas(t *testing.T) {
	t.Parallel()
	all := rules(t)
	for _, rule := range all {
		metrics, err := prometheus.Metrics(rule.Expr)
		if err != nil {
			t.Errorf("%s: %v", rule.Name(), err)
		}
		for _, metric := range metrics {
			recorded := slices.ContainsFunc(all, func(r prometheus.Rule) bool { return r.Record == metric })
			general := metric == "up" || metric == "process_start_time_seconds"
			if !recorded && !general && !strings.HasPrefix(metric, "cube_") {
				t.Errorf("%s reads %s, which nobody makes", rule.Name(), metric)
			}
		}
	}
}

func rules(t *testing.T) []prometheus.Rule {
	t.Helper()
	rules, err := prometheus.Rules()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func alerts(t *testing.T) []prometheus.Rule {
	t.Helper()
	alerts := slices.DeleteFunc(rules(t), func(r prometheus.Rule) bool { return r.Alert == "" })
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	return alerts
}

func testFiles(t *testing.T) []testFile {
	t.Helper()
	var files []testFile
	for _, name := range glob(t, "tests/*.yml") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file testFile
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files = append(files, file)
	}
	return files
}
