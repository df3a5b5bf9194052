package dashboards

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	sdk "github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"cube/deploy/prometheus"
)

// Query is what one target of a panel, a variable or an annotation asks
// Prometheus.
type Query struct {
	Dashboard string // its file
	Panel     string // its title; for a variable or an annotation, the name
	// Expr can be asked as it is: rates are over a minute, and what is over the
	// whole range shown is over ten.
	Expr string
	// Metrics are the series it reads, each once.
	Metrics []string
	// MayBeEmpty says when there is nothing to show; empty means that a
	// running fleet always has data.
	MayBeEmpty string
}

// Queries returns all queries of all dashboards, those about one node for the node
// of that name. The error names an expression that is not PromQL.
func Queries(node string) ([]Query, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	// Stands in for Grafana, which fills its variables in.
	fill := strings.NewReplacer(
		"$__rate_interval", "1m", "$__range", "10m", "$node", node)
	var queries []Query
	for _, d := range all {
		for _, asked := range d.exprs() {
			query, err := newQuery(d.File, asked.panel, fill.Replace(asked.expr))
			if err != nil {
				return nil, err
			}
			queries = append(queries, query)
		}
	}
	return queries, nil
}

func newQuery(file, panel, expr string) (Query, error) {
	metrics, err := prometheus.Metrics(expr)
	if err != nil {
		return Query{}, fmt.Errorf("%s, %s: %w", file, panel, err)
	}
	query := Query{Dashboard: file, Panel: panel, Expr: expr, Metrics: metrics}
	if strings.HasPrefix(panel, annotationPrefix) {
		query.MayBeEmpty = "nothing happened that is marked"
	}
	for _, metric := range metrics {
		if why, ok := sometimes[metric]; ok {
			query.MayBeEmpty = why
		}
	}
	return query, nil
}

// sometimes are the metrics that a sound fleet need not have, and why.
var sometimes = map[string]string{
	"ALERTS":                                 "no alert fires",
	"cube_pressure_some_seconds_total":       "the kernel has no pressure figures",
	"cube_pressure_full_seconds_total":       "the kernel has no pressure figures",
	"cube_task_cpu_seconds_total":            "no task runs",
	"cube_task_memory_bytes":                 "no task runs",
	"cube_task_start_time_seconds":           "no task runs",
	"cube_placements_total":                  "no task was ever placed",
	"cube_pending_seconds_bucket":            "no task was placed lately",
	"cube_placement_duration_seconds_bucket": "no task was placed lately",
}

// annotationPrefix tells an annotation's name from a panel's title.
const annotationPrefix = "annotation "

// asked is an expression and where it stands.
type asked struct{ panel, expr string }

// exprs returns the dashboard's expressions, of panels first.
func (d Dashboard) exprs() []asked {
	var exprs []asked
	for _, p := range d.Model.Panels {
		if p.Panel == nil {
			continue
		}
		for _, target := range p.Panel.Targets {
			if query, ok := target.(sdk.Dataquery); ok {
				exprs = append(exprs, asked{*p.Panel.Title, query.Expr})
			}
		}
	}
	for _, variable := range d.Model.Templating.List {
		if variable.Type == dashboard.VariableTypeQuery {
			exprs = append(exprs, asked{"variable " + variable.Name, labelValuesOf(*variable.Query.String)})
		}
	}
	for _, annotation := range d.Model.Annotations.List {
		if annotation.Expr != nil {
			exprs = append(exprs, asked{annotationPrefix + annotation.Name, *annotation.Expr})
		}
	}
	return exprs
}

// labelValuesOf returns the selector in a variable's label_values(selector, label).
func labelValuesOf(query string) string {
	inner := strings.TrimSuffix(strings.TrimPrefix(query, "label_values("), ")")
	return inner[:strings.LastIndexByte(inner, ',')]
}
