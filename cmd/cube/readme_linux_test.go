package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"cube/collector"
	"cube/worker"
)

// TestReadmeListsTheMetrics holds the table in the README against the
// descriptors of all that stands on a worker's page: names with labels, types,
// help texts.
func TestReadmeListsTheMetrics(t *testing.T) {
	machine, err := collector.New(collector.Config{DataRoot: "/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := machine.Close(); err != nil {
			t.Error(err)
		}
	})
	var want []string
	for _, source := range []prometheus.Collector{
		machine, (&worker.Worker{}).Collector(), nodeInfo("", ""), versioncollector.NewCollector("cube"),
	} {
		want = append(want, metricRows(t, source)...)
	}
	name := regexp.MustCompile(`cube_\w+`)
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(name.FindString(a), name.FindString(b)) })
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "| `cube_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the metrics (-README +descriptors):\n%s", diff)
	}
}

// descriptor is how a prometheus.Desc writes itself, which it tells nobody else.
var (
	descriptor = regexp.MustCompile(`^Desc\{fqName: "(\w+)", help: "(.*)", unit: "\w*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	constLabel = regexp.MustCompile(`(\w+)="[^"]*"`)
)

// metricRows makes a row of each descriptor. What counts up has a name that says so;
// promlint sees to that.
func metricRows(t *testing.T, source prometheus.Collector) (rows []string) {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		source.Describe(descs)
		close(descs)
	}()
	for desc := range descs {
		found := descriptor.FindStringSubmatch(desc.String())
		if found == nil {
			t.Fatalf("a descriptor of another form: %s", desc)
		}
		name, kind := found[1], "gauge"
		if strings.HasSuffix(name, "_total") {
			kind = "counter"
		}
		labels := constLabel.ReplaceAllString(found[3], "$1")
		if found[4] != "" {
			labels = strings.TrimPrefix(labels+","+found[4], ",")
		}
		if labels != "" {
			name += "{" + labels + "}"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", name, kind, strings.ReplaceAll(found[2], `\"`, `"`)))
	}
	return rows
}
