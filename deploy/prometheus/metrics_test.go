package prometheus_test

import (
	"slices"
	"testing"

	"cube/deploy/prometheus"
)

func TestMetricsOfAnExpression(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`1 + 1`:     {},
		`up == 0`:   {"up"},
		`{job="a"}`: nil,
		`rate(`:     nil,
		`sum by (node) (rate(cube_b_total[5m])) / on (node) job:cube_a:ratio`:    {"cube_b_total", "job:cube_a:ratio"},
		`histogram_quantile(0.9, sum by (le) (rate(cube_c_seconds_bucket[1m])))`: {"cube_c_seconds_bucket"},
		`cube_a - cube_a offset 1h`: {"cube_a"},
	} {
		got, err := prometheus.Metrics(expr)
		if (err != nil) != (want == nil) || !slices.Equal(got, want) {
			t.Errorf("Metrics(%q) = %q, %v; want %q", expr, got, err, want)
		}
	}
}

func TestFamilyIsTheNameOnThePage(t *testing.T) {
	t.Parallel()
	for series, want := range map[string]string{
		"cube_pending_seconds_bucket": "cube_pending_seconds",
		"cube_pending_seconds_sum":    "cube_pending_seconds",
		"cube_pending_seconds_count":  "cube_pending_seconds",
		"cube_cpu_seconds_total":      "cube_cpu_seconds_total",
		"cube_procs":                  "cube_procs",
	} {
		if got := prometheus.Family(series); got != want {
			t.Errorf("Family(%q) = %q; want %q", series, got, want)
		}
	}
}
