package prometheus

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// Metrics returns the names of the series that a PromQL expression reads, each
// once, in alphabetical order. Those of recording rules (with a colon in their
// name) are among them. The error names what Prometheus' parser refuses, or a
// selector without a plain metric name.
func Metrics(expr string) ([]string, error) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, fmt.Errorf("the expression %q: %w", expr, err)
	}
	names := map[string]struct{}{}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			names[selector.Name] = struct{}{}
		}
		return nil
	})
	if _, nameless := names[""]; nameless {
		return nil, fmt.Errorf("the expression %q selects by labels alone; name the metric", expr)
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Family returns the name that a series' metric has on a /metrics page: that of
// the histogram, without the suffix of its buckets, sum and count. A name that
// ends so without being a histogram's is not to be passed.
func Family(series string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if family, found := strings.CutSuffix(series, suffix); found {
			return family
		}
	}
	return series
}

// Synthetic reports whether Prometheus itself makes the series, at a scrape or
// from its alerts: no page has it.
func Synthetic(series string) bool {
	return series == "up" || series == "ALERTS" || series == "ALERTS_FOR_STATE" || strings.HasPrefix(series, "scrape_")
}
