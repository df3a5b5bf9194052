package dashboards_test

import (
	"strings"
	"testing"

	"cube/deploy/grafana/dashboards"
	"cube/deploy/prometheus"
)

func TestQueriesAreCompleteAndReadTheProgramsMetrics(t *testing.T) {
	t.Parallel()
	queries, err := dashboards.Queries("first")
	if err != nil {
		t.Fatal(err)
	}
	panels := map[string]bool{}
	for _, q := range queries {
		panels[q.Dashboard+q.Panel] = true
		if strings.Contains(q.Expr, "$node") || strings.Contains(q.Expr, "$__") {
			t.Errorf("%s, %s: a variable is left in %s", q.Dashboard, q.Panel, q.Expr)
		}
		if len(q.Metrics) == 0 {
			t.Errorf("%s, %s: reads no metric", q.Dashboard, q.Panel)
		}
		for _, metric := range q.Metrics {
			ours := strings.HasPrefix(metric, "cube_") || strings.HasPrefix(metric, "process_")
			if !ours && !prometheus.Synthetic(metric) || strings.Contains(metric, ":") {
				t.Errorf("%s, %s: reads %s, which no page of the program has", q.Dashboard, q.Panel, metric)
			}
		}
	}
	for _, d := range all(t) {
		for _, p := range d.Model.Panels {
			if p.Panel != nil && !panels[d.File+*p.Panel.Title] {
				t.Errorf("%s: the queries of %s are missing", d.File, *p.Panel.Title)
			}
		}
	}
}

func TestQueriesOfANodeNameIt(t *testing.T) {
	t.Parallel()
	queries, err := dashboards.Queries("10.0.0.1:5556")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, q := range queries {
		if strings.Contains(q.Expr, `node="10.0.0.1:5556"`) {
			named++
		}
	}
	if named == 0 {
		t.Error("no query is about the node")
	}
}
